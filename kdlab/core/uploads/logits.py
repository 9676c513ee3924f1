"""Logits of one's own for the temperature lab, from an NPZ or a CSV file.

NPZ: what `Predictions.save` writes, or arrays `labels` (examples,), `teacher` and `student` (examples, classes) and,
where there are any, `baseline`, `classes` (names) and `images` uint8 (examples, channels, height, width), as
`np.savez("mine.npz", labels=…, teacher=…, student=…)` writes them. CSV: see `kdlab.core.uploads.table`.
"""

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.predictions import ROLES, Predictions
from kdlab.core.uploads.names import check_size, file_title, tidy
from kdlab.core.uploads.npz import read_arrays
from kdlab.core.uploads.table import read_table
from kdlab.registry import InputError

__all__ = ["read_logits"]

MOST_CLASSES = 200  # the lab draws a cell for each two of them
MOST_EXAMPLES = 200_000
MOST_TEACHERS = 20
LONGEST_SIDE = 256  # pixels of a picture
UNPACKED = 5  # times the limit: logits hardly pack, pictures of digits do
WANTED = re.compile(rf"labels|images|classes|about|(logits/)?({'|'.join(ROLES)})|more_teachers/\d{{1,2}}")


def read_logits(name: str, content: bytes, limit: int) -> Predictions:
    """Return the predictions in a file called `name`; its key is made of the name.

    `limit`: the most bytes it may have; unpacked, five times as many. Raises InputError.
    """
    title = file_title(name)
    check_size(name, len(content), limit)
    if content.startswith(b"PK") or title.lower().endswith(".npz"):
        arrays = read_arrays(title, content, UNPACKED * limit, WANTED)
    elif content.startswith(b"\x93NUMPY"):
        raise InputError(f"{title} is one array alone: save labels, teacher and student together with np.savez.")
    else:
        arrays = read_table(title, content, MOST_CLASSES, MOST_EXAMPLES)
    about = _about(title, arrays)
    logits = {role: arrays.get(role, arrays.get(f"logits/{role}")) for role in ROLES}
    for part, array in {**logits, "labels": arrays.get("labels")}.items():
        if part != "baseline" and array is None:
            raise InputError(f"{title} has no {part}: it needs labels, teacher and student, as np.savez keeps them.")
        if array is not None and array.ndim != (1 if part == "labels" else 2):
            shape = "one number an example" if part == "labels" else "a row an example and a column a class"
            raise InputError(f"The {part} in {title} has {array.ndim} dimensions: give it {shape}.")
    examples, columns = logits["teacher"].shape  # type: ignore[union-attr]
    if columns > MOST_CLASSES or examples > MOST_EXAMPLES:
        raise InputError(
            f"{title} has {examples:,} examples of {columns:,} classes, and the lab shows at most {MOST_EXAMPLES:,} of "
            f"{MOST_CLASSES}: give fewer."
        )
    classes = _classes(title, arrays, about, columns)
    more = [arrays[key] for key in (f"more_teachers/{n}" for n in range(MOST_TEACHERS)) if key in arrays]
    stem = title.rpartition(".")[0] or title
    return Predictions(
        key=re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "own",
        label=tidy(str(about.get("label", ""))) or stem,
        classes=classes,
        labels=arrays["labels"],
        logits={role: array for role, array in logits.items() if array is not None},
        more_teachers=tuple(_plane(title, one) for one in more),
        images=_images(title, arrays.get("images")),
        note=tidy(str(about.get("note", "")), 200) or f"From your file {title}.",
    )


def _about(title: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """What `Predictions.save` wrote beside the arrays, if it did."""
    if "about" not in arrays:
        return {}
    try:
        about = json.loads(str(arrays["about"][()]))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{title} is damaged in its part about: write it anew with Predictions.save.") from error
    return about if isinstance(about, dict) else {}


def _classes(title: str, arrays: dict[str, NDArray[Any]], about: dict[str, Any], columns: int) -> tuple[str, ...]:
    given: Any = arrays["classes"] if "classes" in arrays else about.get("classes")
    if given is None:
        return tuple(map(str, range(columns)))
    if not isinstance(given, list | np.ndarray) or np.ndim(given) != 1 or len(given) != columns:
        raise InputError(
            f"The classes in {title} must be a list of {columns} names, one for each column of the logits."
        )
    texts = (one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in given)
    classes = tuple(tidy(one, 40) or f"class {at}" for at, one in enumerate(texts))
    if len(set(classes)) < columns:
        twice = next(one for one in classes if classes.count(one) > 1)
        raise InputError(f'Two classes in {title} are called "{twice}": give each a name of its own.')
    return classes


def _plane(title: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 2:
        raise InputError(f"A further teacher in {title} has {array.ndim} dimensions: give a row an example.")
    return array


def _images(title: str, images: NDArray[Any] | None) -> NDArray[Any] | None:
    if images is None or (images.ndim == 4 and 1 <= min(images.shape[2:]) <= max(images.shape[2:]) <= LONGEST_SIDE):
        return images
    raise InputError(
        f"The images in {title} must be (examples, channels, height, width) with sides from 1 to {LONGEST_SIDE}."
    )
