"""One picture that somebody sent, as an array."""

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdlab.core.uploads.names import check_size, file_title
from kdlab.registry import InputError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["read_image"]

BEGINS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"RIFF": "WEBP", b"BM": "BMP"}
MOST_PIXELS = 20_000_000  # a telephone's picture has 12 million; decoded, 80 MB
SCAN = b"\xff\xda"  # begins a scan of a JPEG, each of which goes over the whole picture again
MOST_SCANS = 30


def read_image(name: str, content: bytes, limit: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return the picture as uint8 of `shape` (channels: 1 grey or 3 colours, height, width), stretched to fit.

    PNG, JPEG, WebP or BMP, turned as its camera says, on white where it is transparent. `limit`: the most bytes it may
    have. Raises InputError.
    """
    from PIL import Image

    title = file_title(name)
    check_size(name, len(content), limit)
    kind = next((kind for begin, kind in BEGINS.items() if content.startswith(begin)), None)
    if kind is None:
        raise InputError(f"{title} is no PNG, JPEG, WebP or BMP picture: save it as one of them.")
    _check_pixels(title, _webp_size(content) if kind == "WEBP" else (0, 0))
    if kind == "JPEG" and content.count(SCAN) > MOST_SCANS:
        raise InputError(f"{title} is a JPEG of more than {MOST_SCANS} scans: save it anew.")
    try:
        with Image.open(BytesIO(content), formats=(kind,)) as image:
            _check_pixels(title, image.size)
            if getattr(image, "n_frames", 1) > 1:
                raise InputError(f"{title} is animated: save one of its pictures alone.")
            pixels = np.asarray(_brought_to(image, shape))
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(title) from error
    except Exception as error:  # each of Pillow's decoders fails in its own way
        raise InputError(f"{title} is cut off or damaged: save the picture anew.") from error
    return pixels.reshape(*shape[1:], shape[0]).transpose(2, 0, 1)


def _brought_to(opened: "Image.Image", shape: tuple[int, int, int]) -> "Image.Image":
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):  # 16 bits to 8, which convert() would clip
        image = image.convert("I").point(lambda value: value / 256)
    elif image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if shape[0] == 1 else "RGB")
    return image.resize((shape[2], shape[1]), Image.Resampling.BILINEAR)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Width and height as the header says, because Pillow makes room for them as soon as it opens a WebP."""
    part, numbers = content[12:16], content[20:30]
    if content[8:12] != b"WEBP" or len(numbers) < 10:
        return 0, 0
    if part == b"VP8X":
        return 1 + int.from_bytes(numbers[4:7], "little"), 1 + int.from_bytes(numbers[7:10], "little")
    if part == b"VP8L":
        bits = int.from_bytes(numbers[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", numbers[6:10])
    return width & 0x3FFF, height & 0x3FFF


def _check_pixels(title: str, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise _too_large(title)


def _too_large(title: str) -> InputError:
    return InputError(f"{title} has more than {MOST_PIXELS // 1_000_000} million pixels: make it smaller.")
