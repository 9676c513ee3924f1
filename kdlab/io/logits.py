"""Read a person's logits for the temperature lab from an NPZ or a CSV file.

NPZ: a file of `Predictions.save`, or arrays `labels` (examples,), `teacher` and `student` (examples, classes) and,
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

from kdlab.io.csv_logits import read_csv_logits
from kdlab.io.npz import read_arrays
from kdlab.io.predictions import ROLES, Predictions
from kdlab.io.sanitize import MAX_CLASS_NAME, check_size, file_title, sanitize_text
from kdlab.registry import InputError
from kdlab.train.probabilities import UndeclaredError

__all__ = ["read_file", "read_logits"]

MAX_CLASSES = 200  # the lab draws a cell for each pair of classes
MAX_EXAMPLES = 200_000
MAX_TEACHERS = 20
MAX_ARRAYS = 100
MAX_IMAGE_SIDE = 256  # pixels
UNPACKED_FACTOR = 5  # unpacked size, in multiples of the file limit: images of digits compress well, logits hardly
ARRAY_NAME = re.compile(rf"labels|images|classes|about|outputs|(logits/)?({'|'.join(ROLES)})|more_teachers/\d{{1,4}}")

Arrays = dict[str, NDArray[Any]]


def read_logits(name: str, content: bytes, limit: int, outputs: str = "") -> Predictions:
    """Return the predictions in a file called `name`; their key is derived from the name.

    `limit`: the maximum bytes of the file; unpacked, five times as many. `outputs`: the chosen kind of the numbers, one
    of `kdlab.train.probabilities.OUTPUTS`. Raises InputError, and UndeclaredError.
    """
    title = file_title(name)
    check_size(name, len(content), limit)
    arrays = _arrays(title, content, UNPACKED_FACTOR * limit, MAX_ARRAYS, MAX_CLASSES, MAX_EXAMPLES)
    examples, columns = _check_parts(title, arrays)
    if columns > MAX_CLASSES or examples > MAX_EXAMPLES:
        raise InputError(
            f"{title} has {examples:,} examples of {columns:,} classes, and the lab shows at most {MAX_EXAMPLES:,} of "
            f"{MAX_CLASSES}: give fewer."
        )
    if sum(name.startswith("more_teachers/") for name in arrays) > MAX_TEACHERS:
        raise InputError(f"{title} has more than {MAX_TEACHERS} further teachers: give fewer.")
    images = arrays.get("images")
    if images is not None and not (images.ndim == 4 and max(images.shape[2:]) <= MAX_IMAGE_SIDE):
        raise InputError(
            f"The images in {title} must be (examples, channels, height, width) with sides from 1 to {MAX_IMAGE_SIDE}."
        )
    return _predictions(title, arrays, outputs, ("choose Probabilities", "choose Logits"), trusted=False)


def read_file(path: Path, outputs: str = "") -> Predictions:
    """Return the predictions in a local file, without limits on sizes and texts; the file names the key.

    `outputs`: see `read_logits`. Raises InputError, and UndeclaredError.
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
    remedies = 'give outputs="probabilities"', 'outputs="logits"'
    return _predictions(title, arrays, outputs, remedies, trusted=True)


def _arrays(
    title: str, content: bytes, max_bytes: float, max_arrays: float, max_classes: float, max_examples: float
) -> Arrays:
    if content.startswith(b"PK") or title.lower().endswith(".npz"):
        return read_arrays(title, content, max_bytes, max_arrays, ARRAY_NAME)
    if content.startswith(b"\x93NUMPY"):
        raise InputError(f"{title} is one array alone: save labels, teacher and student together with np.savez.")
    return read_csv_logits(title, content, max_classes, max_examples)


def _check_parts(title: str, arrays: Arrays) -> tuple[int, int]:
    """Return the numbers of examples and classes; raises InputError where an array is missing or unusable."""
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


def _predictions(title: str, arrays: Arrays, outputs: str, remedies: tuple[str, str], trusted: bool) -> Predictions:
    """Return predictions from checked arrays.

    `remedies`: see UndeclaredError. `trusted`: keep the key and the texts of the file as they are.
    """
    metadata = _read_metadata(title, arrays)
    logits = {role: arrays.get(role, arrays.get(f"logits/{role}")) for role in ROLES}
    assert logits["teacher"] is not None
    stem = title.rpartition(".")[0] or title
    key = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "own"
    label, note = str(metadata.get("label", "")), str(metadata.get("note", ""))
    if not trusted:
        label, note = sanitize_text(label), sanitize_text(note, 200)
    declared = arrays["outputs"][()] if "outputs" in arrays else metadata.get("outputs", "")
    if isinstance(declared, bytes):
        declared = declared.decode("utf-8", "replace")
    more = sorted(name for name in arrays if name.startswith("more_teachers/"))
    try:
        return Predictions(
            key=str(metadata.get("key") or key) if trusted else key,
            label=label or stem,
            classes=_classes(title, arrays, metadata, logits["teacher"].shape[1], trusted),
            labels=arrays["labels"],
            logits={role: array for role, array in logits.items() if array is not None},
            more_teachers=tuple(arrays[name] for name in sorted(more, key=len)),
            images=arrays.get("images"),
            note=note or ("" if trusted and metadata else f"From your file {title}."),
            outputs=outputs or str(declared),
            split=str(metadata.get("split", "")) if trusted else "",
        )
    except UndeclaredError as error:
        raise UndeclaredError(f"{error.owner} in {title}", error.why, remedies) from None


def _read_metadata(title: str, arrays: Arrays) -> dict[str, Any]:
    """Return the metadata that `Predictions.save` wrote beside the arrays, or {}."""
    if "about" not in arrays:
        return {}
    try:
        metadata = json.loads(str(arrays["about"][()]))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{title} is damaged in its part about: write it anew with Predictions.save.") from error
    return metadata if isinstance(metadata, dict) else {}


def _classes(title: str, arrays: Arrays, metadata: dict[str, Any], columns: int, trusted: bool) -> tuple[str, ...]:
    names: Any = arrays["classes"] if "classes" in arrays else metadata.get("classes")
    if names is None:
        return tuple(map(str, range(columns)))
    if not isinstance(names, list | np.ndarray) or np.ndim(names) != 1 or len(names) != columns:
        raise InputError(
            f"The classes in {title} must be a list of {columns} names, one for each column of the logits."
        )
    texts = (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names)
    classes = (
        tuple(texts)
        if trusted
        else tuple(sanitize_text(name, MAX_CLASS_NAME) or f"class {index}" for index, name in enumerate(texts))
    )
    if len(set(classes)) < columns:
        duplicate = next(name for name in classes if classes.count(name) > 1)
        raise InputError(f'Two classes in {title} are called "{duplicate}": give each a name of its own.')
    return classes
