"""Logits of one's own for the temperature lab, from an NPZ or a CSV file.

NPZ: what `Predictions.save` writes, or arrays `labels` (examples,), `teacher` and `student` (examples, classes) and,
where there are any, `baseline`, `classes` (names) and `images` uint8 (examples, channels, height, width), as
`np.savez("mine.npz", labels=…, teacher=…, student=…)` writes them; `outputs="probabilities"` among them says that the
numbers are no logits. CSV: see `kdlab.io.csv_logits`.
"""

import json
import re
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.io.csv_logits import read_table
from kdlab.io.npz import read_arrays
from kdlab.io.predictions import ROLES, Predictions
from kdlab.io.sanitize import MOST_NAME, check_size, file_title, tidy
from kdlab.registry import InputError
from kdlab.train.probabilities import UndeclaredError

__all__ = ["read_file", "read_logits"]

MOST_CLASSES = 200  # the lab draws a cell for each two of them
MOST_EXAMPLES = 200_000
MOST_TEACHERS = 20
MOST_ARRAYS = 100
LONGEST_SIDE = 256  # pixels of a picture
UNPACKED = 5  # times the limit: logits hardly pack, pictures of digits do
WANTED = re.compile(rf"labels|images|classes|about|outputs|(logits/)?({'|'.join(ROLES)})|more_teachers/\d{{1,4}}")

Arrays = dict[str, NDArray[Any]]


def read_logits(name: str, content: bytes, limit: int, outputs: str = "") -> Predictions:
    """Return the predictions in a file called `name`; its key is made of the name.

    `limit`: the most bytes it may have; unpacked, five times as many. `outputs`: what somebody chose that its numbers
    are, of `kdlab.train.probabilities.OUTPUTS`. Raises InputError, and UndeclaredError.
    """
    title = file_title(name)
    check_size(name, len(content), limit)
    arrays = _arrays(title, content, UNPACKED * limit, MOST_ARRAYS, MOST_CLASSES, MOST_EXAMPLES)
    examples, columns = _check_parts(title, arrays)
    if columns > MOST_CLASSES or examples > MOST_EXAMPLES:
        raise InputError(
            f"{title} has {examples:,} examples of {columns:,} classes, and the lab shows at most {MOST_EXAMPLES:,} of "
            f"{MOST_CLASSES}: give fewer."
        )
    if sum(name.startswith("more_teachers/") for name in arrays) > MOST_TEACHERS:
        raise InputError(f"{title} has more than {MOST_TEACHERS} further teachers: give fewer.")
    images = arrays.get("images")
    if images is not None and not (images.ndim == 4 and max(images.shape[2:]) <= LONGEST_SIDE):
        raise InputError(
            f"The images in {title} must be (examples, channels, height, width) with sides from 1 to {LONGEST_SIDE}."
        )
    return _predictions(title, arrays, outputs, ("choose Probabilities", "choose Logits"), own=False)


def read_file(path: Path, outputs: str = "") -> Predictions:
    """Return the predictions in a file of one's own, however large and whatever its texts; its key is the one it names.

    `outputs` as above. Raises InputError, and UndeclaredError.
    """
    title = file_title(path.name)
    if not path.is_file():
        raise InputError(f"There is no file {path}: give one that `Predictions.save` or `np.savez` wrote.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): give another file.") from error
    check_size(title, len(content), len(content))
    arrays = _arrays(title, content, inf, inf, inf, inf)
    _check_parts(title, arrays)
    ways = 'give outputs="probabilities"', 'outputs="logits"'
    return _predictions(title, arrays, outputs, ways, own=True)


def _arrays(title: str, content: bytes, most: float, members: float, classes: float, examples: float) -> Arrays:
    if content.startswith(b"PK") or title.lower().endswith(".npz"):
        return read_arrays(title, content, most, members, WANTED)
    if content.startswith(b"\x93NUMPY"):
        raise InputError(f"{title} is one array alone: save labels, teacher and student together with np.savez.")
    return read_table(title, content, classes, examples)


def _check_parts(title: str, arrays: Arrays) -> tuple[int, int]:
    """Return how many examples and classes there are; raises InputError where an array is missing or of no use."""
    logits = {role: arrays.get(role, arrays.get(f"logits/{role}")) for role in ROLES}
    parts = {"labels": arrays.get("labels"), **logits}
    if missing := [part for part, array in parts.items() if part != "baseline" and array is None]:
        raise InputError(
            f"{title} has no {' and no '.join(missing)}: it needs labels, teacher and student, as np.savez keeps them."
        )
    more = {name: array for name, array in arrays.items() if name.startswith("more_teachers/")}
    for part, array in (parts | more).items():
        if array is not None and array.ndim != (1 if part == "labels" else 2):
            shape = "one number an example" if part == "labels" else "a row an example and a column a class"
            raise InputError(f"The {part} in {title} has {array.ndim} dimensions: give it {shape}.")
    teacher = logits["teacher"]
    assert teacher is not None
    return teacher.shape[0], teacher.shape[1]


def _predictions(title: str, arrays: Arrays, outputs: str, ways: tuple[str, str], own: bool) -> Predictions:
    """Make predictions of checked arrays; `ways`: see UndeclaredError; of one's `own` file key and texts stay."""
    about = _about(title, arrays)
    logits = {role: arrays.get(role, arrays.get(f"logits/{role}")) for role in ROLES}
    assert logits["teacher"] is not None
    stem = title.rpartition(".")[0] or title
    key = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "own"
    label, note = str(about.get("label", "")), str(about.get("note", ""))
    if not own:
        label, note = tidy(label), tidy(note, 200)
    declared = arrays["outputs"][()] if "outputs" in arrays else about.get("outputs", "")
    if isinstance(declared, bytes):
        declared = declared.decode("utf-8", "replace")
    more = sorted(name for name in arrays if name.startswith("more_teachers/"))
    try:
        return Predictions(
            key=str(about.get("key") or key) if own else key,
            label=label or stem,
            classes=_classes(title, arrays, about, logits["teacher"].shape[1], own),
            labels=arrays["labels"],
            logits={role: array for role, array in logits.items() if array is not None},
            more_teachers=tuple(arrays[name] for name in sorted(more, key=len)),
            images=arrays.get("images"),
            note=note or ("" if own and about else f"From your file {title}."),
            outputs=outputs or str(declared),
        )
    except UndeclaredError as error:
        raise UndeclaredError(f"{error.owner} in {title}", error.why, ways) from None


def _about(title: str, arrays: Arrays) -> dict[str, Any]:
    """What `Predictions.save` wrote beside the arrays, if it did."""
    if "about" not in arrays:
        return {}
    try:
        about = json.loads(str(arrays["about"][()]))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{title} is damaged in its part about: write it anew with Predictions.save.") from error
    return about if isinstance(about, dict) else {}


def _classes(title: str, arrays: Arrays, about: dict[str, Any], columns: int, own: bool) -> tuple[str, ...]:
    given: Any = arrays["classes"] if "classes" in arrays else about.get("classes")
    if given is None:
        return tuple(map(str, range(columns)))
    if not isinstance(given, list | np.ndarray) or np.ndim(given) != 1 or len(given) != columns:
        raise InputError(
            f"The classes in {title} must be a list of {columns} names, one for each column of the logits."
        )
    texts = (one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in given)
    classes = tuple(texts) if own else tuple(tidy(one, MOST_NAME) or f"class {at}" for at, one in enumerate(texts))
    if len(set(classes)) < columns:
        twice = next(one for one in classes if classes.count(one) > 1)
        raise InputError(f'Two classes in {title} are called "{twice}": give each a name of its own.')
    return classes
