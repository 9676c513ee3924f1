"""Names and sizes that come from outside, made harmless to show."""

import unicodedata

from kdlab.registry import InputError

__all__ = ["MOST_NAME", "check_size", "file_title", "tidy"]

MOST_NAME = 200  # characters of a class's name: shorter ones could make two alike


def tidy(text: str, most: int = 60) -> str:
    """Return `text` as one line of at most `most` characters, without those that control, turn round or hide others.

    It is still no markup: whoever shows it must show it as text.
    """
    begin = unicodedata.normalize("NFC", text[: 10 * most])
    seen = (" " if one.isspace() else one for one in begin if one.isspace() or unicodedata.category(one)[0] != "C")
    line = " ".join("".join(seen).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def file_title(name: str) -> str:
    """Return how a file is called in a sentence: the last part of its name, without the way to it."""
    return tidy(name.replace("\\", "/").rstrip("/")[-1_000:].rpartition("/")[2], 50) or "The file"


def check_size(name: str, size: int, limit: int) -> None:
    """Raise InputError for a file of no bytes, or of more than `limit`."""
    if size <= 0:
        raise InputError(f"{file_title(name)} is empty: choose another file.")
    if size > limit:
        raise InputError(
            f"{file_title(name)} has {size:,} bytes, and {limit:,} are the most that can be opened here: choose a "
            "smaller file."
        )
