"""Trees of real image files, and the sentence with which a tree is refused."""

from pathlib import Path

from PIL import Image
from refusals import refusal

from kdlab.datasets import load

RED, BLUE = (200, 20, 20), (20, 20, 200)


def paint(path: Path, colour: object = RED, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def plant(root: Path, count: int = 10) -> Path:
    """Make a tree of two classes."""
    for number in range(count):
        paint(root / "red" / f"{number}.png", (200, number, 0))
        paint(root / "blue" / f"{number}.png", (0, number, 200))
    return root


def folder_refusal(root: Path | str) -> str:
    """Return the sentence with which loading a folder is refused."""
    return refusal(load, f"folder:{root}")
