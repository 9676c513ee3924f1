"""Names that people gave, in figures: cut short without two that look alike, and as text where plotly reads HTML.

`abbreviate` in kdlab/widgets/shared/names.js does the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from textwrap import wrap

__all__ = ["abbreviate", "as_text", "wrapped"]

LINE = 30  # letters of a name on a line of hover text, which ends at the figure's edge
WIDE = 0x2E80  # from here on letters, such as Chinese ones, take the room of two


def as_text(name: str) -> str:
    """Return a name as plotly shows it letter for letter: neither its HTML nor, in hover text, its %{…} is read."""
    return escape(name, quote=False).replace("%{", "%&#123;")


def wrapped(name: str, before: int = 0) -> str:
    """Return the whole of a name on lines of hover text, as text; the first one has so many letters `before` it."""
    line = LINE // 2 if any(ord(letter) >= WIDE for letter in name) else LINE
    return "<br>".join(map(as_text, wrap(" " * before + name, line, drop_whitespace=False))).lstrip(" ")


def abbreviate(names: Sequence[str], most: int) -> list[str]:
    """Return each name in the room of at most `most` letters; names that differ stay different.

    A long one keeps its beginning and its end, or the part where those differ that would look alike, or gets a number.
    """
    short = [_cut(name, most) for name in names]
    for group in _alike(short, names):
        first = names[group[0]]
        shared = next(
            at for at in range(len(first) + 1) if any(names[one][: at + 1] != first[: at + 1] for one in group)
        )
        for at in group:
            if short[at] == names[at]:
                continue
            short[at] = f"{names[at][:1]}…{_cut(names[at][shared:], most - 2)}"
    taken = set(short)
    for group in _alike(short, names):
        number = 2
        for at in group[1:]:
            while (text := f"{_cut(names[at], most - 1 - len(str(number)))} {number}") in taken:
                number += 1
            short[at] = text
            taken.add(text)
            number += 1
    return short


def _alike(short: Sequence[str], names: Sequence[str]) -> list[list[int]]:
    """Return the places of different names that look alike, a list for each look; one that is not cut is first."""
    places = defaultdict[str, list[int]](list)
    for at, text in enumerate(short):
        places[text].append(at)
    return [
        sorted(group, key=lambda at: (names[at] != short[at], at))
        for group in places.values()
        if len({names[at] for at in group}) > 1
    ]


def _cut(name: str, most: int) -> str:
    """Return the beginning and the end of a long name: in "breed number 12" the end tells it from others."""
    if _room(name) <= most:
        return name
    end = name[::-1][: _fitting(name[::-1], most // 3)][::-1]
    return f"{name[: _fitting(name, most - 1 - _room(end))]}…{end}"


def _room(text: str) -> int:
    return sum(1 + (ord(letter) >= WIDE) for letter in text)


def _fitting(text: str, most: int) -> int:
    """Return how many of the first letters have room."""
    return max(count for count in range(len(text) + 1) if _room(text[:count]) <= most)
