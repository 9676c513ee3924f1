"""Reading image files of all sizes into one array."""

import os
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.progress import Progress
from kdlab.registry import InputError

__all__ = ["Format", "choose_format", "read_images"]

LONGEST_SIDE = 64
SAMPLE = 1_000  # images whose headers decide on size and colour
BATCH = 32  # images that a thread reads in one go
INTERVAL = 0.1  # seconds between two progress events
GREY = {"1", "L", "LA", "La", "I"}


@dataclass(frozen=True, slots=True)
class Format:
    """What every image is brought to; `mode` is "L" or "RGB"."""

    height: int
    width: int
    mode: str


def choose_format(files: Sequence[str]) -> Format:
    """Return the median size of (a sample of) the files, at most 64 pixels a side, grey only when all of them are.

    Raises InputError for a file that is no image.
    """
    some = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, SAMPLE).astype(int))]
    heights, widths, grey = [], [], True
    for path in some:
        image = _open(path)
        width, height = image.size
        heights.append(height)
        widths.append(width)
        grey &= image.mode in GREY or image.mode.startswith("I;16")
        image.close()
    height, width = float(np.median(heights)), float(np.median(widths))
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return Format(max(1, round(height * scale)), max(1, round(width * scale)), "L" if grey else "RGB")


def read_images(files: Sequence[str], form: Format) -> Generator[Progress, None, NDArray[np.uint8]]:
    """Return the files as uint8 (examples, channels, height, width), yielding how many are read several times a second.

    Raises InputError for a file that is no image or is cut off.
    """
    pixels = np.empty((len(files), len(form.mode), form.height, form.width), dtype=np.uint8)

    def read(start: int) -> None:
        for number in range(start, min(start + BATCH, len(files))):
            pixels[number] = _read(files[number], form)

    shown = time.monotonic()
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for done, _ in enumerate(pool.map(read, range(0, len(files), BATCH))):
            if time.monotonic() - shown >= INTERVAL:
                shown = time.monotonic()
                yield Progress("Reading images", done * BATCH, len(files), "images")
    finally:  # also when the generator is closed half way
        pool.shutdown(cancel_futures=True)
    yield Progress("Reading images", len(files), len(files), "images")
    return pixels


def _open(path: str) -> Any:
    from PIL import Image

    try:
        return Image.open(path)
    except Exception as error:
        raise _unreadable(path, error) from error


def _read(path: str, form: Format) -> NDArray[np.uint8]:
    """One image as (channels, height, width)."""
    from PIL import Image

    with _open(path) as image:
        try:
            image.draft(form.mode, (form.width, form.height))  # lets a large JPEG be decoded small
            if image.mode == "F":
                raise ValueError("nothing says which number is white")
            if image.mode.startswith("I"):
                image = image.point(lambda value: value / 256)  # 16 bits to 8, which convert() would clip
            elif image.mode == "P":
                image = image.convert("RGBA")
            image = image.convert(form.mode)
            if image.size != (form.width, form.height):
                image = image.resize((form.width, form.height), Image.Resampling.BILINEAR)
        except Exception as error:  # each of Pillow's decoders fails in its own way
            raise _unreadable(path, error) from error
        return np.asarray(image).reshape(form.height, form.width, -1).transpose(2, 0, 1)


def _unreadable(path: str, error: Exception) -> InputError:
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return InputError(f"{path} has too many pixels to be read safely: make it smaller or take it away.")
    if isinstance(error, PermissionError):
        return InputError(f"{path} may not be read: change its permissions or take it away.")
    return InputError(
        f"{path} is no image, is cut off, or is of a kind that Pillow cannot read: repair it or take it away."
    )
