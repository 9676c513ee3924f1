"""Images of which a plain reading gives other pixels than they are meant to have, and what is said about each."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from painting import BLUE, RED, folder_refusal, paint
from PIL import Image

from kdlab.datasets import Dataset, load

UPRIGHT = 0x0112  # the EXIF tag


def save(root: Path, images: Sequence[Image.Image], tests: Sequence[Image.Image], suffix: str = "png") -> Path:
    """Write two classes that hold the images in turn, four at least, for training and for the test."""
    for part, some in (("train", images), ("test", tests)):
        for number, image in enumerate([*some] * -(-4 // len(some))):
            path = root / part / str(number % 2) / f"{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, exif=image.getexif())
    return root


def read(root: Path, images: Sequence[Image.Image], tests: Sequence[Image.Image] = (), suffix: str = "png") -> Dataset:
    return load(f"folder:{save(root, images, tests or images, suffix)}")


def values(dataset: Dataset, split: str = "train") -> list[int]:
    return getattr(dataset, split).images.unique().tolist()


def array(*numbers: float, kind: Any) -> Image.Image:
    """An image of 8×8 whose pixels have the numbers, each in one column or more."""
    return Image.fromarray(np.resize(np.array(numbers, dtype=kind), (8, 8)))


# --- upright ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_images_are_turned_as_their_exif_data_say(tmp_path: Path, orientation: int, suffix: str) -> None:
    # What is to be seen: the upper left quarter red, in a picture that is higher than wide.
    seen = np.zeros((160, 80, 3), dtype=np.uint8)
    seen[:80, :40] = RED
    back = {2: [2], 3: [3], 4: [4], 5: [5], 6: [8], 7: [7], 8: [6]}.get(orientation, [])
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    image = Image.fromarray(seen)
    for number in back:
        image = image.transpose(methods[number])
    image.getexif()[UPRIGHT] = orientation
    dataset = read(tmp_path, [image], suffix=suffix)
    assert dataset.shape == (3, 64, 32)
    quarters = dataset.train.images.view(-1, 3, 2, 32, 2, 16)[:, 0, :, 8:24, :, 4:12].float().mean((2, 4))
    for found in quarters:
        assert found.flatten().tolist() == pytest.approx([200, 0, 0, 0], abs=6)
    notes = ["The images were brought from 80×160 to 32×64 pixels."]
    turned = ["Images turned as their EXIF orientation says: 8 of 8."] if orientation > 1 else []
    assert list(dataset.notes) == notes + turned


def test_a_large_turned_photograph_is_decoded_no_smaller_than_it_is_needed(tmp_path: Path) -> None:
    stripes = np.zeros((64, 512, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    image = Image.fromarray(stripes).resize((1024, 128), Image.Resampling.NEAREST)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[UPRIGHT] = 6
    upright, sideways = read(tmp_path / "a", [image], suffix="jpg"), read(tmp_path / "b", [turned], suffix="jpg")
    assert upright.shape == sideways.shape == (3, 8, 64)
    difference = upright.train.images.int() - sideways.train.images.int()
    assert difference.abs().max() < 12


def test_broken_exif_data_keep_no_image_from_being_read(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / str(number % 2) / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), RED).save(path, exif=b"Exif\x00\x00nonsense")
    assert load(f"folder:{tmp_path}").notes == ()


# --- transparent ------------------------------------------------------------------------------------------------------


def hidden(mode: str) -> Image.Image:
    """A picture of 8×8 of which the right half, red or dark below, is transparent."""
    image = Image.new("RGBA", (8, 8), (*BLUE, 255))
    image.paste((*RED, 0), (4, 0, 8, 8))
    if mode == "P":
        palette = Image.new("P", (8, 8), 0)
        palette.putpalette([*BLUE, *RED])
        palette.paste(1, (4, 0, 8, 8))
        palette.info["transparency"] = 1
        return palette
    if mode == "key":
        image = image.convert("RGB")
        image.info["transparency"] = RED
        return image
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("RGBA", "png"), ("RGBA", "tiff"), ("LA", "png"), ("P", "png"), ("P", "gif"), ("key", "png")]
)
def test_transparent_pixels_are_laid_on_white(tmp_path: Path, mode: str, suffix: str) -> None:
    for number in range(10):
        path = tmp_path / str(number % 2) / f"{number}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        image = hidden(mode)
        image.save(path, **({"transparency": image.info["transparency"]} if "transparency" in image.info else {}))
    dataset = load(f"folder:{tmp_path}")
    assert dataset.train.images[..., 4:].unique().tolist() == [255]
    assert dataset.train.images[..., :4].max() <= 200
    assert dataset.notes == ("Images whose transparent pixels were laid on white: 10 of 10.",)


def test_half_transparent_pixels_and_opaque_ones(tmp_path: Path) -> None:
    half, opaque = Image.new("RGBA", (8, 8), (100, 0, 0, 128)), Image.new("RGBA", (8, 8), (100, 7, 0, 255))
    dataset = read(tmp_path, [half, half, opaque, opaque])
    pixels = {tuple(image[:, 0, 0].tolist()) for image in dataset.test.images}
    assert pixels == {(177, 127, 127), (100, 7, 0)}
    assert dataset.notes == ("Images whose transparent pixels were laid on white: 4 of 8.",)


# --- more than 8 bits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "suffix", "numbers", "pixels", "said"),
    [
        (np.uint16, "png", (0, 100, 200), [0, 100, 200], "16-bit values were scaled so that 255 is"),
        (np.uint16, "png", (0, 256, 900), [0, 64, 225], "16-bit values were scaled so that 1,023 is"),
        (np.uint16, "tiff", (0, 256, 4_000), [0, 16, 250], "16-bit values were scaled so that 4,095 is"),
        (np.uint16, "png", (3, 4_096, 65_535), [0, 16, 255], "16-bit values were scaled so that 65,535 is"),
        (np.int32, "tiff", (0, 100, 200), [0, 100, 200], "32-bit values were scaled so that 255 is"),
        (np.int32, "tiff", (0, 2**20, 2**21 - 1), [0, 128, 255], "32-bit values were scaled so that 2,097,151 is"),
        (np.float32, "tiff", (0, 0.5, 0.8), [0, 128, 204], "floating-point values were scaled so that 1 is"),
        (np.float32, "tiff", (0, 100.4, 200), [0, 100, 200], "floating-point values were scaled so that 255 is"),
    ],
)
def test_the_scale_comes_from_the_training_images(
    tmp_path: Path, kind: type, suffix: str, numbers: tuple[float, ...], pixels: list[int], said: str
) -> None:
    # The darker images show that the scale is none of each image's own.
    dataset = read(tmp_path, [array(*numbers, kind=kind), array(*numbers[:2], kind=kind)] * 4, suffix=suffix)
    assert dataset.shape == (1, 8, 8)
    assert values(dataset) == pixels
    dark = {len(image.unique()): image.max() for image in dataset.test.images}
    assert dark == {2: pixels[1], 3: pixels[2]}
    assert said in "".join(dataset.notes)


def test_images_of_16_bits_whose_bytes_are_in_the_other_order(tmp_path: Path) -> None:
    numbers = np.resize(np.array([0, 0x8000, 0xFF00], dtype=">u2"), (8, 8))
    dataset = read(tmp_path, [Image.frombytes("I;16B", (8, 8), numbers.tobytes())], suffix="tiff")
    assert values(dataset) == [0, 128, 255]


def test_larger_numbers_beyond_the_training_images_become_white_and_that_is_said(tmp_path: Path) -> None:
    dataset = read(tmp_path, [array(10, 200, kind=np.uint16)], [array(10, 5_000, kind=np.uint16)])
    assert values(dataset) == [10, 200]
    assert values(dataset, "test") == [10, 255]
    assert dataset.notes == (
        "The 16-bit values were scaled so that 255 is white, because the largest in the training images is 200; "
        "4 other images hold larger ones, which became white.",
    )


def test_images_of_8_and_of_16_bits_together(tmp_path: Path) -> None:
    shallow, deep = array(10, 200, kind=np.uint8), array(10 * 256, 200 * 256, kind=np.uint16)
    dataset = read(tmp_path, [shallow, shallow, deep, deep])
    assert values(dataset) == values(dataset, "test") == [10, 200]
    assert "Some test or validation images are 16-bit ones and no training image is" in folder_refusal(
        save(tmp_path / "b", [shallow], [deep])
    )


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((0, 1_000), "the largest number in the floating-point training images is 1,000, and nothing says which"),
        (
            (0, np.nan),
            "cannot be read as images: test/0/0.tiff, test/0/2.tiff, test/1/1.tiff, test/1/3.tiff, train/0/0.tiff,",
        ),
        ((0, np.inf), "(each holds values that are no finite numbers)"),
        ((0, -1), "(each holds negative values)"),
    ],
)
def test_floating_point_images_of_which_nothing_says_what_is_white(
    tmp_path: Path, numbers: tuple[float, ...], sentence: str
) -> None:
    image = array(*numbers, kind=np.float32)
    assert sentence.lower() in folder_refusal(save(tmp_path, [image], [image], "tiff")).lower()


def colour_png(path: Path, number: int) -> None:
    """A PNG of 8×8 with 16 bits for each colour, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + struct.pack(">24H", *([number, number // 2, 0] * 8))) * 8
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def test_colours_of_16_bits(tmp_path: Path) -> None:
    for number in range(10):
        colour_png(tmp_path / "full" / str(number % 2) / f"{number}.png", 200 * 256)
        colour_png(tmp_path / "low" / str(number % 2) / f"{number}.png", 200)
    dataset = load(f"folder:{tmp_path / 'full'}")
    assert dataset.train.images[0, :, 0, 0].tolist() == [200, 100, 0]
    assert dataset.notes == ("The 16-bit colours were scaled so that 65,535 is full.",)
    assert "use no more than the lower 12 bits, which cannot be read: save them" in folder_refusal(tmp_path / "low")


# --- colour, pages, sizes ---------------------------------------------------------------------------------------------


def test_colour_in_the_test_images_alone_is_kept(tmp_path: Path) -> None:
    grey = [Image.new("L", (8, 8), 10 * number) for number in range(4)]
    dataset = read(tmp_path, grey, [Image.new("RGB", (8, 8), RED)])
    assert dataset.shape == (3, 8, 8)
    assert dataset.test.images[0, :, 0, 0].tolist() == list(RED)
    together = torch.cat([dataset.train.images, dataset.validation.images])
    assert sorted(image[0, 0, 0].item() for image in together) == [0, 10, 20, 30]
    assert (together == together[:, :1]).all()


@pytest.mark.parametrize("suffix", ["tiff", "gif", "webp", "png"])
def test_of_several_pages_the_first_is_read_and_that_is_said(tmp_path: Path, suffix: str) -> None:
    pages = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE, (0, 0, 0))]
    for number in range(10):
        paint(tmp_path / str(number % 2) / f"{number}.png")
    for number in range(2):
        pages[0].save(
            tmp_path / str(number) / f"several.{suffix}", save_all=True, append_images=pages[1:], lossless=True
        )
    dataset = load(f"folder:{tmp_path}")
    assert all((image[0] > 150).all() for image in (*dataset.train.images, *dataset.test.images))
    assert dataset.notes == ("Files with several pages or frames, of which only the first was read: 2.",)


@pytest.mark.parametrize(
    ("sizes", "note"),
    [
        ([(40, 30)], None),
        ([(320, 240)], "The images were brought from 320×240 to 64×48 pixels."),
        ([(1_000, 5)], "The images were brought from 1000×5 to 64×1 pixels: stretched."),
        (
            [(64, 64), (64, 64), (64, 64), (320, 240)],
            "Images were brought to 64×64 pixels from 320×240 (4 of 16, stretched).",
        ),
        (
            [(30, 30), (30, 30), (60, 60), (10, 20)],
            "Images were brought to 30×30 pixels from 60×60 (4 of 16) and 10×20 (4 of 16, stretched).",
        ),
        (
            [(10, 10), (20, 20), (30, 30), (40, 50), (50, 50)],
            "Images of 5 sizes, from 10×10 to 50×50, were brought to 30×30 pixels: 4 of 20 stretched.",
        ),
        (
            [(10, 10), (20, 20), (30, 30), (40, 40), (50, 50)],
            "Images of 5 sizes, from 10×10 to 50×50, were brought to 30×30 pixels: none stretched.",
        ),
    ],
)
def test_what_became_of_the_sizes_is_said(tmp_path: Path, sizes: list[tuple[int, int]], note: str | None) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            for number, size in enumerate(sizes * (2 if len(sizes) == 1 else 1)):
                paint(tmp_path / part / name / f"{number}.png", size=size)
    dataset = load(f"folder:{tmp_path}")
    assert dataset.notes == (() if note is None else (note,))
    assert dataset.to("cpu").notes == dataset.notes


# --- files that say which number is white -----------------------------------------------------------------------------


def test_a_pgm_says_which_number_is_white(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number in range(4):
            path = tmp_path / part / str(number % 2) / f"{number}.pgm"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.resize([0, 1024, 2048], (8, 8)).astype(">u2")
            path.write_bytes(b"P5 8 8 4095\n" + pixels.tobytes())
    dataset = load(f"folder:{tmp_path}")
    assert values(dataset) == [0, 64, 128]
    assert dataset.notes == ()


def test_a_tiff_of_16_bits_may_count_from_white_to_black(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number in range(4):
            path = tmp_path / part / str(number % 2) / f"{number}.tiff"
            path.parent.mkdir(parents=True, exist_ok=True)
            array(0, 65_535, 32_768, kind=np.uint16).save(path, tiffinfo={262: 0})
    assert values(load(f"folder:{tmp_path}")) == [0, 127, 255]


def test_the_number_that_is_transparent_is_not_the_brightest(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number in range(4):
            path = tmp_path / part / str(number % 2) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            array(0, 100, 200, 65_535, kind=np.uint16).save(path, transparency=65_535)
    assert values(load(f"folder:{tmp_path}")) == [0, 100, 200, 255]
