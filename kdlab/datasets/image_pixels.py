"""Read one image file: its properties, and its pixels in the common format of a data set.

Import this module inside functions only: it imports Pillow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

__all__ = ["COLOUR_16", "DEPTHS", "GREY", "REMEDIES", "Format", "ImageRecord", "read_image", "read_orientation"]

# Pillow's modes with more than 8 bits per pixel; no file of these modes says which number is white.
DEPTHS = {"I;16": "16-bit", "I;16L": "16-bit", "I;16B": "16-bit", "I;16N": "16-bit", "I": "32-bit", "F": "float"}
COLOUR_16 = "16-bit colour"  # Pillow reads only the upper 8 bits
GREY = {"1", "L", "LA", "La", *DEPTHS}
# Keys under which Pillow stores an orientation.
METADATA = {"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"}
TOO_MANY = "has too many pixels to be read safely"
NOT_ALLOWED = "may not be read"
NO_IMAGE = "is no image, is cut off, or is of a kind that Pillow cannot read"
REMEDIES = {TOO_MANY: "make it smaller", NOT_ALLOWED: "change its permissions"}  # of other faults: repair it


@dataclass(frozen=True, slots=True)
class Format:
    """The common format of all images of a data set; `mode` is "L" or "RGB".

    `whites`: the value of white for each of the `DEPTHS` in the data set.
    """

    height: int
    width: int
    mode: str
    whites: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class ImageRecord:
    """The properties of a file: `size` (width, height) after rotation, `depth` where it has more than 8 bits.

    `brightest`: the largest value of an image with a depth; `fault`: why the file cannot be read, or "".
    """

    size: tuple[int, int] = (0, 0)
    grey: bool = True
    depth: str = ""
    brightest: float = 0.0
    turned: bool = False
    transparent: bool = False
    several: bool = False
    fault: str = ""


class _UnusableError(Exception):
    """An image whose values cannot be converted to grey levels."""


def read_image(path: str, form: Format) -> tuple[ImageRecord, NDArray[np.uint8] | None]:
    """Return the properties of the file, and its pixels as uint8 (channels, height, width).

    The pixels are None for an unreadable file, for colour where `form` is grey, and for a depth without a white.
    """
    record = ImageRecord()
    try:
        with Image.open(path) as image:
            converted = _convert(image, form, record)
            if converted is None:
                return record, None
            if converted.size != (form.width, form.height):
                converted = converted.resize((form.width, form.height), Image.Resampling.BILINEAR)
            return record, np.asarray(converted).reshape(form.height, form.width, -1).transpose(2, 0, 1)
    except MemoryError:
        raise
    except Exception as error:  # each of Pillow's decoders fails in its own way
        record.fault = _fault(error)
        return record, None


def read_orientation(image: Any) -> tuple[bool, bool]:
    """Return whether the EXIF data of Pillow's image ask for a rotation, and whether width and height are then swapped.

    Pillow reports the size of a TIFF already swapped.
    """
    if METADATA.isdisjoint(image.info) and image.format != "TIFF":
        return False, False
    try:
        # Not the method of the PNG class, which decodes the whole image first.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # an image with broken EXIF data is still read
        return False, False
    turned = isinstance(value, int) and 2 <= value <= 8
    return turned, turned and value >= 5 and image.format != "TIFF"


def _convert(image: Any, form: Format, record: ImageRecord) -> Any:
    """Return Pillow's image in the mode of `form`, upright and opaque, or None; fills the record."""
    if image.format == "PPM" and image.mode == "I":  # PPM states its white, and Pillow scales it to 65,535
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    record.depth = DEPTHS.get(image.mode, "")
    if not record.depth and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        record.depth = COLOUR_16
    if image.format == "PNG":
        image.load()  # the orientation may come last in the file
    record.turned, sideways = read_orientation(image)
    box = (form.height, form.width) if sideways else (form.width, form.height)
    record.size, record.grey = image.size[::-1] if sideways else image.size, image.mode in GREY
    # Pillow counts the layers of a PSD as frames, but reads the merged picture.
    record.several = image.format != "PSD" and getattr(image, "is_animated", False)
    if not record.grey and form.mode == "L":
        image.load()  # reports a file that is cut off now, with all others
        return None
    image.draft(form.mode, box)  # lets a large JPEG be decoded small
    if record.turned:
        ImageOps.exif_transpose(image, in_place=True)
    if record.depth in DEPTHS.values():
        eight = _in_8_bits(image, form.whites.get(record.depth), record)
        return None if eight is None else eight.convert(form.mode)
    if record.depth == COLOUR_16:
        record.brightest = max(high for _, high in image.convert("RGB").getextrema())
    if not image.has_transparency_data:
        return (image.convert("RGBA") if image.mode == "P" else image).convert(form.mode)
    full = image.convert("RGBA")
    opaque = (full if image.mode == "P" else image).convert(form.mode)
    alpha = full.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return opaque
    record.transparent = True
    return Image.composite(opaque, Image.new(form.mode, image.size, "white"), alpha)


def _in_8_bits(image: Any, white: float | None, record: ImageRecord) -> Any:
    """Return Pillow's image of more than 8 bits in mode "L", or None while the value of white is unknown."""
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise _UnusableError("holds values that are no finite numbers")
    if image.format == "TIFF" and image.mode.startswith("I;16") and image.tag_v2.get(262) == 0:
        values = 65_535 - values  # 0 is white in these files; Pillow inverts only those of 8 bits
    if values.min() < 0:
        raise _UnusableError("holds negative values")
    key = image.info.get("transparency")  # the value that is transparent in a PNG
    clear = values == key if isinstance(key, int) else np.zeros_like(values, dtype=bool)
    record.brightest = float(values.max(initial=0, where=~clear))
    if white is None:
        return None
    if record.depth == "float":
        pixels = np.rint(values * (255 / white))
    else:
        pixels = values.astype(np.int64) >> (int(white).bit_length() - 8)
    pixels = pixels.clip(0, 255).astype(np.uint8)
    if clear.any():
        record.transparent = True
        pixels[clear] = 255
    return Image.fromarray(pixels)


def _fault(error: Exception) -> str:
    if isinstance(error, _UnusableError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return TOO_MANY
    return NOT_ALLOWED if isinstance(error, PermissionError) else NO_IMAGE
