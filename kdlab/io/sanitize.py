"""Names and sizes from outside, made safe to display."""

import unicodedata

from kdlab.registry import InputError

__all__ = ["MAX_CLASS_NAME", "check_size", "file_title", "sanitize_text"]

MAX_CLASS_NAME = 200  # characters; a lower limit could make two names equal


def sanitize_text(text: str, max_length: int = 60) -> str:
    """Return `text` as one line of at most `max_length` characters, without control and format characters.

    The result is not escaped: display it as text, not as markup.
    """
    start = unicodedata.normalize("NFC", text[: 10 * max_length])
    printable = (
        " " if letter.isspace() else letter
        for letter in start
        if letter.isspace() or unicodedata.category(letter)[0] != "C"
    )
    line = " ".join("".join(printable).split())
    return line if len(line) <= max_length else f"{line[: max_length - 1].rstrip()}…"


def file_title(name: str) -> str:
    """Return the name of a file for a sentence: the last part of its path."""
    return sanitize_text(name.replace("\\", "/").rstrip("/")[-1_000:].rpartition("/")[2], 50) or "The file"


def check_size(name: str, size: int, limit: int) -> None:
    """Raise InputError for a file of no bytes, or of more than `limit`."""
    if size <= 0:
        raise InputError(f"{file_title(name)} is empty: choose another file.")
    if size > limit:
        raise InputError(
            f"{file_title(name)} has {size:,} bytes, and {limit:,} are the most that can be opened here: choose a "
            "smaller file."
        )
