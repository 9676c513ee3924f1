"""Read image files of all sizes into one array. Import this module inside functions only: it imports Pillow."""

import os
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kdlab.datasets.checks import MAX_NAMES
from kdlab.datasets.image_notes import describe
from kdlab.datasets.image_pixels import (
    COLOUR_16,
    DEPTHS,
    GREY,
    REMEDIES,
    Format,
    ImageRecord,
    read_image,
    read_orientation,
)
from kdlab.progress import Progress
from kdlab.registry import InputError

__all__ = ["choose_format", "choose_white", "read_images"]

MAX_SIDE = 64
SAMPLE_SIZE = 1_000  # images whose headers determine the size
BATCH_SIZE = 32  # images that a thread reads in one task
PROGRESS_INTERVAL = 0.1  # seconds between two progress events
BITS = (8, 10, 12, 16)  # bit depths of cameras and scanners


def choose_format(files: Sequence[str]) -> Format:
    """Return the median size of a sample of the files, at most 64 pixels a side; grey when the whole sample is grey.

    A file that is no image is skipped here.
    """
    heights, widths, grey = [], [], True
    for i in np.unique(np.linspace(0, len(files) - 1, SAMPLE_SIZE).astype(int)):
        try:
            with Image.open(files[i]) as image:
                width, height = image.size[::-1] if read_orientation(image)[1] else image.size
                grey &= image.mode in GREY
        except Exception:  # `read_images` reports it with all others
            continue
        heights.append(height)
        widths.append(width)
    if not heights:
        return Format(1, 1, "RGB")
    median_height, median_width = float(np.median(heights)), float(np.median(widths))
    scale = min(1.0, MAX_SIDE / max(median_height, median_width))
    return Format(max(1, round(median_height * scale)), max(1, round(median_width * scale)), "L" if grey else "RGB")


def choose_white(depth: str, brightest: float) -> float:
    """Return the value of white for images of a bit depth whose largest value is `brightest`.

    Raises InputError where the value cannot be inferred.
    """
    if depth != "float":
        return float(2 ** next((bits for bits in BITS if brightest < 2**bits), int(brightest).bit_length()) - 1)
    for white in (1.0, 255.0):
        if brightest <= white:
            return white
    raise InputError(
        f"The largest number in the floating-point training images is {brightest:,.6g}, and nothing says which number "
        "is white: scale all images to numbers from 0 to 1."
    )


def read_images(
    files: Sequence[str], training: int, root: Path
) -> Generator[Progress, None, tuple[NDArray[np.uint8], tuple[str, ...]]]:
    """Return the files as uint8 (examples, channels, height, width) and notes on the conversions.

    The first `training` files determine size and scale; colour in any file makes all images colour. Yields the number
    of files read several times a second. Raises InputError, with paths relative to `root`, for files that are no
    images, are cut off, or have values whose brightness is unknown.
    """
    form = choose_format(files[:training])
    records = [ImageRecord()] * len(files)
    pixels = np.empty((len(files), len(form.mode), form.height, form.width), dtype=np.uint8)
    postponed = yield from _read(files, range(len(files)), form, records, pixels)
    _refuse_faults(files, records, root)
    form = _widen(form, records, training)
    if form.mode == "RGB" and pixels.shape[1] == 1:
        pixels = np.repeat(pixels, 3, axis=1)
    if postponed:
        yield from _read(files, postponed, form, records, pixels)
        _refuse_faults(files, records, root)
    yield Progress("Reading images", len(files), len(files), "images")
    return pixels, describe(records, form, training)


def _read(
    files: Sequence[str], chosen: Sequence[int], form: Format, records: list[ImageRecord], pixels: NDArray[np.uint8]
) -> Generator[Progress, None, list[int]]:
    """Fill the records and the pixels of the chosen files; return the files whose pixels do not fit the format."""

    def read(start: int) -> list[int]:
        postponed = []
        for number in chosen[start : start + BATCH_SIZE]:
            records[number], image = read_image(files[number], form)
            if image is None:
                postponed.append(number)
            else:
                pixels[number] = image
        return postponed

    postponed: list[int] = []
    last_event = time.monotonic()
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for done, batch_postponed in enumerate(pool.map(read, range(0, len(chosen), BATCH_SIZE))):
            postponed += batch_postponed
            if time.monotonic() - last_event >= PROGRESS_INTERVAL:
                last_event = time.monotonic()
                yield Progress("Reading images", done * BATCH_SIZE, len(chosen), "images")
    finally:  # also when the generator is closed early
        pool.shutdown(cancel_futures=True)
    return postponed


def _widen(form: Format, records: Sequence[ImageRecord], training: int) -> Format:
    """Return the format with colour where any file has colour, and each depth's white, from the training files."""
    whites = {}
    for depth in sorted({record.depth for record in records} & set(DEPTHS.values())):
        brightest = [record.brightest for record in records[:training] if record.depth == depth]
        if not brightest:
            raise InputError(
                f"Some test or validation images are {depth} ones and no training image is, so nothing says which "
                "number in them is white: save all images with the same number of bits."
            )
        whites[depth] = choose_white(depth, max(brightest))
    if max((record.brightest for record in records if record.depth == COLOUR_16), default=255) < 16:
        raise InputError(
            "The 16-bit colours of the images use no more than the lower 12 bits, which cannot be read: save them with "
            "8 bits for a colour."
        )
    return replace(form, mode="L" if all(record.grey for record in records) else "RGB", whites=whites)


def _refuse_faults(files: Sequence[str], records: Sequence[ImageRecord], root: Path) -> None:
    """Raise InputError that names the unusable files: all of them, or ten and the total."""
    bad = sorted((number for number, record in enumerate(records) if record.fault), key=files.__getitem__)
    if len(bad) == 1:
        fault = records[bad[0]].fault
        remedy = REMEDIES.get(fault, "repair it")
        raise InputError(f"{files[bad[0]]} {fault}: {remedy} or take it away.")
    if bad:
        groups: dict[str, list[str]] = {}
        for number in bad[:MAX_NAMES]:
            groups.setdefault(records[number].fault, []).append(os.path.relpath(files[number], root))
        named = "; ".join(
            f"{', '.join(names)} ({'each ' * (len(names) > 1)}{fault})" for fault, names in groups.items()
        )
        more = f"; and {len(bad) - MAX_NAMES:,} more" if len(bad) > MAX_NAMES else ""
        raise InputError(
            f"{len(bad):,} files in {root} cannot be read as images: {named}{more}: repair them or take them away."
        )
