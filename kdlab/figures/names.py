"""Names from people in figures: shortened but still distinct, and escaped where plotly reads HTML.

`abbreviate` in kdlab/widgets/shared/names.js does the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from textwrap import wrap

__all__ = ["abbreviate", "as_text", "wrapped"]

LINE_LETTERS = 30  # letters of a name per line of hover text, which is cut at the figure's edge
WIDE_LETTERS_FROM = 0x2E80  # letters from this code point, such as Chinese ones, are twice as wide


def as_text(name: str) -> str:
    """Return a name escaped for plotly: neither HTML nor, in hover text, %{…} is interpreted."""
    return escape(name, quote=False).replace("%{", "%&#123;")


def wrapped(name: str, indent: int = 0) -> str:
    """Return a whole name as lines of hover text, escaped; `indent` letters stand before it on the first line."""
    line = LINE_LETTERS // 2 if any(ord(letter) >= WIDE_LETTERS_FROM for letter in name) else LINE_LETTERS
    return "<br>".join(map(as_text, wrap(" " * indent + name, line, drop_whitespace=False))).lstrip(" ")


def abbreviate(names: Sequence[str], max_letters: int) -> list[str]:
    """Return each name shortened to the width of at most `max_letters` letters; different names stay different.

    A long name keeps its beginning and its end, or the part in which similar names differ, or gets a number.
    """
    short = [_cut(name, max_letters) for name in names]
    for group in _alike(short, names):
        first = names[group[0]]
        prefix_length = next(
            index
            for index in range(len(first) + 1)
            if any(names[member][: index + 1] != first[: index + 1] for member in group)
        )
        for index in group:
            if short[index] == names[index]:
                continue
            short[index] = f"{names[index][:1]}…{_cut(names[index][prefix_length:], max_letters - 2)}"
    used = set(short)
    for group in _alike(short, names):
        number = 2
        for index in group[1:]:
            while (text := f"{_cut(names[index], max_letters - 1 - len(str(number)))} {number}") in used:
                number += 1
            short[index] = text
            used.add(text)
            number += 1
    return short


def _alike(short: Sequence[str], names: Sequence[str]) -> list[list[int]]:
    """Return groups of indices of different names with the same short form; an uncut name comes first."""
    by_look = defaultdict[str, list[int]](list)
    for index, text in enumerate(short):
        by_look[text].append(index)
    return [
        sorted(group, key=lambda index: (names[index] != short[index], index))
        for group in by_look.values()
        if len({names[index] for index in group}) > 1
    ]


def _cut(name: str, max_letters: int) -> str:
    """Return the beginning and the end of a long name: in "breed number 12" the end is the distinctive part."""
    if _room(name) <= max_letters:
        return name
    end = name[::-1][: _fitting(name[::-1], max_letters // 3)][::-1]
    return f"{name[: _fitting(name, max_letters - 1 - _room(end))]}…{end}"


def _room(text: str) -> int:
    return sum(1 + (ord(letter) >= WIDE_LETTERS_FROM) for letter in text)


def _fitting(text: str, max_letters: int) -> int:
    """Return how many of the first letters fit."""
    return max(count for count in range(len(text) + 1) if _room(text[:count]) <= max_letters)
