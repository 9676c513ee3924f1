"""Logits of networks for the same examples, with the true labels, and their file format."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.array_file import pack_npz
from kdlab.atomic import write_atomic
from kdlab.progress import counted
from kdlab.registry import InputError, quote
from kdlab.train.history import DAMAGED, History
from kdlab.train.probabilities import OUTPUTS, UndeclaredError, looks_like_probabilities, to_logits

__all__ = ["ROLES", "Predictions"]

ROLES = ("teacher", "student", "baseline")


@dataclass(frozen=True, eq=False)
class Predictions:
    """The logits of a teacher, a student and perhaps a baseline on the same examples, checked (InputError).

    `key` names them in a link, `label` in a menu; `note` is a sentence on their origin. `labels` int64 (examples,);
    `logits` by role and `more_teachers`, of an ensemble, float32 (examples, classes); `images` uint8 (examples,
    channels, height, width). Lists and torch tensors are accepted too. `outputs`: the kind of the given numbers,
    "logits" or "probabilities", whose rows sum to 1 and are replaced by their logarithms; where it is "", numbers that
    look like probabilities raise UndeclaredError. `split`: of which split the examples are, where that is known, or "".
    """

    key: str
    label: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: Mapping[str, NDArray[np.float32]]
    more_teachers: tuple[NDArray[np.float32], ...] = ()
    images: NDArray[np.uint8] | None = None
    note: str = ""
    outputs: str = ""
    split: str = ""

    def __post_init__(self) -> None:
        classes = tuple(str(name) for name in self.classes)
        if len(classes) < 2:
            raise InputError(f"Predictions need at least 2 classes, not {len(classes)}: name each one in `classes`.")
        if not isinstance(self.logits, Mapping) or not {*ROLES[:2]} <= self.logits.keys():
            raise InputError(
                'The `logits` must be a dictionary that has the keys "teacher" and "student", each with an array.'
            )
        if unknown := [role for role in self.logits if role not in ROLES]:
            raise InputError(
                f"There is no role {unknown[0]!r} for logits: use {', '.join(ROLES)}, and `more_teachers` for others."
            )
        columns = np.shape(self.logits["teacher"])[1:]
        if columns and columns != (len(classes),):
            raise InputError(
                f"There are {len(classes)} names of classes for {columns[0]} columns of logits: name each column."
            )
        if self.outputs not in OUTPUTS:
            raise InputError(f'The `outputs` must be "logits" or "probabilities", not {quote(self.outputs)}.')
        labels = _check_labels(self.labels, classes)
        shape = len(labels), len(classes)
        logits = {
            role: _check_logits(self.logits[role], role, shape, self.outputs) for role in ROLES if role in self.logits
        }
        more = [
            _check_logits(values, f"further teacher {n}", shape, self.outputs)
            for n, values in enumerate(self.more_teachers, 1)
        ]
        images = None if self.images is None else _check_images(self.images, len(labels))
        checked = {"classes": classes, "labels": labels, "logits": logits, "more_teachers": tuple(more)}
        for name, value in {**checked, "images": images}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, history: History, key: str = "run") -> "Predictions":
        """Return the latest validation logits of a run; raises InputError before its student was evaluated."""
        opened, logits = history.opened, {role: history.logits[role] for role in ROLES if role in history.logits}
        if opened is None or "student" not in logits:
            raise InputError("This run has no predictions of its student yet: let it train until the first evaluation.")
        spec, dataset = opened.spec, opened.spec.dataset
        teacher = re.sub(r"^([^:]+:[^:]+):.+", r"\1:…", spec.teacher)
        examples = counted(len(opened.labels), f"validation {opened.example_unit}")
        note = (
            f"What the networks of a run say about the {examples} of {dataset}: {spec.student} taught by "
            f"{spec.teacher}{'' if history.result else ', still in training'}."
        )
        label = f"{dataset}: {spec.student} taught by {teacher}"
        return cls(key, label, opened.classes, opened.labels, logits, (), opened.images, note, "logits", "validation")

    @classmethod
    def read(cls, folder: Path | str) -> "Predictions":
        """Return the predictions of a run that `kdlab distill --out` wrote; its key is the folder's name.

        Raises InputError when there is no run in the folder or it is damaged.
        """
        folder = Path(folder)
        path = folder.absolute() / "history.npz"
        if not path.is_file():
            raise InputError(f"There is no run in {folder}: give a folder that `kdlab distill --out` or `save` wrote.")
        try:
            history = History.load(path)
        except (InputError, OSError) as error:
            if isinstance(error, InputError) and str(error) != DAMAGED:  # it is of another version
                raise
            raise InputError(f"The run in {folder} is damaged: run it again into a new folder.") from error
        return cls.of(history, re.sub(r"[^a-z0-9_]+", "-", path.parent.name.lower()).strip("-") or "run")

    def save(self, path: Path | str) -> None:
        """Write everything to an .npz file without pickled objects; raises InputError when it cannot be written."""
        arrays: dict[str, NDArray[Any]] = {"labels": self.labels}
        arrays |= {f"logits/{role}": values for role, values in self.logits.items()}
        arrays |= {f"more_teachers/{n}": values for n, values in enumerate(self.more_teachers)}
        if self.images is not None:
            arrays["images"] = self.images
        metadata = {name: getattr(self, name) for name in ("key", "label", "classes", "note", "outputs", "split")}
        try:
            write_atomic(Path(path), pack_npz({"about": np.array(json.dumps(metadata)), **arrays}))
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror or error}): name another file.") from error

    @classmethod
    def load(cls, path: Path | str, outputs: str = "") -> "Predictions":
        """Return the predictions in a file of `save`, or in an NPZ or CSV file that the temperature lab accepts.

        `outputs`: the kind of its numbers, where the file does not state it. Raises InputError when the file is
        missing, damaged or incomplete, and UndeclaredError.
        """
        from kdlab.io.logits import read_file  # imported here, because it imports this module

        return read_file(Path(path), outputs)


def _array(values: Any, name: str) -> NDArray[Any]:
    """Return numbers as an array, also from a torch tensor on any device, with or without gradient."""
    try:
        array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"The {name} cannot be read as an array ({error}): give a NumPy array or lists.") from error
    if array.dtype.kind not in "biuf":
        raise InputError(f"The {name} must be numbers, not {array.dtype}: give a NumPy array or lists of numbers.")
    return array


def _check_labels(values: Any, classes: tuple[str, ...]) -> NDArray[np.int64]:
    labels = _array(values, "labels")
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"The labels have the shape {labels.shape}: give one for each example, and one at least.")
    good = (labels >= 0) & (labels < len(classes)) & (labels == np.rint(labels))
    if not good.all():
        raise InputError(
            f"The label {labels[~good][0]} of example {good.argmin()} must be a whole number from 0 to "
            f"{len(classes) - 1}: number the classes in the order of their names."
        )
    return labels.astype(np.int64)


def _check_logits(values: Any, owner: str, shape: tuple[int, int], outputs: str) -> NDArray[np.float32]:
    logits = _array(values, f"logits of the {owner}")
    if logits.shape != shape:
        raise InputError(
            f"The logits of the {owner} have the shape {logits.shape}, but {shape[0]} labels and {shape[1]} names of "
            f"classes ask for {shape}: give a row for each example and a column for each class."
        )
    with np.errstate(over="ignore"):
        logits = np.asarray(logits, dtype=np.float32)
    if not np.isfinite(logits).all():
        example, column = np.argwhere(~np.isfinite(logits))[0]
        raise InputError(
            f"The logits of the {owner} are not finite in example {example}, class {column}: check how they "
            f"were made, and put a low number in place of −inf."
        )
    if outputs == "probabilities":
        return to_logits(logits, owner)
    if not outputs and (why := looks_like_probabilities(logits)):
        raise UndeclaredError(owner, why, ('give outputs="probabilities"', 'outputs="logits"'))
    return logits


def _check_images(values: Any, examples: int) -> NDArray[np.uint8]:
    images = _array(values, "images")
    if images.ndim != 4 or len(images) != examples:
        raise InputError(
            f"The images have the shape {images.shape}: give {examples} of them, one for each label, as (examples, "
            f"channels, height, width); images[:, None] adds the channel of grey ones."
        )
    if images.shape[1] not in (1, 3):
        raise InputError(
            f"The images have {images.shape[1]} channels, not 1 or 3: the channels come second, as "
            f"np.moveaxis(images, -1, 1) puts them."
        )
    if images.dtype != np.uint8:
        raise InputError(f"The images must be whole numbers from 0 to 255 (uint8), not {images.dtype}: convert them.")
    return images
