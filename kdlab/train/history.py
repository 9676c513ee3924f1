"""The history of a run: an append-only record of its events for charts, and its file."""

import dataclasses
import io
import json
from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kdlab.array_file import pack_npz
from kdlab.atomic import write_atomic
from kdlab.metrics.classification import count_errors
from kdlab.metrics.significance import MIN_GROUPS, TESTS, find_test
from kdlab.progress import counted
from kdlab.registry import InputError
from kdlab.train.events import Done, Event, Note, Opened, ParamsChanged, Phase, Probe, Progress, Restored, Step
from kdlab.train.spec import Spec

__all__ = ["DAMAGED", "Curve", "History", "ParamChange"]

FORMAT = 2  # of the file; in the first one the images, errors and logits were of the test set
OTHER_VERSION = (
    "This run was kept by another version of kdlab, in a record that this one does not read: start the run again."
)

DAMAGED = "The record of this run is damaged: start the run again."


def _floats() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Curve:
    """Values over epochs of the network's own training, in arrays that NumPy reads without a copy."""

    epochs: "array[float]" = field(default_factory=_floats)
    values: "array[float]" = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class ParamChange:
    """Knobs that changed at `epoch` of `phase`, with their new values."""

    phase: str
    epoch: float
    values: dict[str, float]


class History:
    """The data that a page shows of a run; `append` records its events in order.

    `losses[network, part]` and `errors[network]` are curves, `logits[network]` the validation logits of the
    latest of `evaluations` probes, `notes` warnings about the numbers.
    """

    def __init__(self) -> None:
        self.opened: Opened | None = None
        self.progress: Progress | None = None
        self.phase: Phase | None = None
        self.step = 0
        self.losses: dict[tuple[str, str], Curve] = defaultdict(Curve)
        self.errors: dict[str, Curve] = defaultdict(Curve)
        self.logits: dict[str, NDArray[np.float32]] = {}
        self.evaluations = 0
        self.param_changes: list[ParamChange] = []
        self.notes: list[str] = []
        self.result: dict[str, Any] | None = None
        # The images as the first part of a file: compressing them takes longer than everything else.
        self._images: tuple[Opened | None, bytes] = None, b""

    def append(self, event: Event) -> None:
        """Record one event."""
        self.progress = event if isinstance(event, Progress) else None
        match event:
            case Restored(history):
                evaluations = self.evaluations + 1  # charts of the logits are redrawn when it changes
                vars(self).update(vars(History.of({"history.npz": history})))
                self.evaluations = evaluations
            case Opened():
                self.opened = event
            case Note():
                self.notes.append(event.text)
            case Phase():
                self.phase, self.step = event, 0
            case Step():
                self.step = event.step
                for network, parts in event.losses.items():
                    for part, value in parts.items():
                        self._add(self.losses[network, part], event.step, value)
            case Probe():
                assert self.opened is not None
                self.evaluations += 1
                for network, logits in event.logits.items():
                    self.logits[network] = logits
                    self._add(self.errors[network], event.step, count_errors(logits, self.opened.labels))
            case ParamsChanged():
                self.param_changes.append(ParamChange(event.phase, self._epoch(event.step), dict(event.values)))
            case Done():
                self.result = dict(event.result)

    def _epoch(self, step: int) -> float:
        return step / self.phase.steps_per_epoch if self.phase else 0.0

    def _add(self, curve: Curve, step: int, value: float) -> None:
        curve.epochs.append(self._epoch(step))
        curve.values.append(value)

    def files(self) -> dict[str, bytes]:
        """Return the history as a file, history.npz, without pickled objects; {} before the run has opened its data."""
        if self.opened is None:
            return {}
        if self._images[0] is not self.opened:
            validation_set: dict[str, NDArray[Any]] = {"images": self.opened.images, "labels": self.opened.labels}
            if self.opened.groups is not None:
                validation_set["groups"] = self.opened.groups
            self._images = self.opened, pack_npz(validation_set)
        record = {
            "format": FORMAT,
            "spec": dataclasses.asdict(self.opened.spec),
            "classes": self.opened.classes,
            "device": self.opened.device,
            "example_unit": self.opened.example_unit,
            "group_unit": self.opened.group_unit,
            "phase": dataclasses.asdict(self.phase) if self.phase else None,
            "step": self.step,
            "turns": [dataclasses.asdict(change) for change in self.param_changes],
            "notes": self.notes,
            "result": self.result,
        }
        arrays: dict[str, NDArray[Any]] = {
            "about": np.array(json.dumps(record)),
            **{f"logits/{network}": logits for network, logits in self.logits.items()},
            **{f"errors/{network}": _pack(curve) for network, curve in self.errors.items()},
            **{f"losses/{network}/{part}": _pack(curve) for (network, part), curve in self.losses.items()},
        }
        return {"history.npz": pack_npz(arrays, self._images[1])}

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> "History":
        """Return the history that `files` wrote; raises InputError when it is damaged or of another version."""
        return cls._parse(files.get("history.npz", b"")) if files else cls()

    def save(self, path: Path | str) -> None:
        """Write the history to an .npz file, complete or not at all; the run must have opened its data.

        Raises OSError.
        """
        write_atomic(Path(path), self.files()["history.npz"])

    @classmethod
    def load(cls, path: Path | str) -> "History":
        """Return the history that `save` wrote; raises InputError when it is damaged or of another version."""
        return cls._parse(Path(path).read_bytes())

    @classmethod
    def _parse(cls, content: bytes) -> "History":
        try:
            history = cls._read(io.BytesIO(content))
            history._check()
        except InputError:
            raise
        except Exception as error:  # zip, zlib, NumPy, tokenize, JSON: any exception may mean a damaged file
            raise InputError(DAMAGED) from error
        return history

    def _check(self) -> None:
        """Raise an error if parts of the record are inconsistent."""
        opened = self.opened
        assert opened is not None
        count, classes = len(opened.labels), len(opened.classes)
        fits = [opened.labels.ndim == 1, opened.labels.dtype.kind in "iu", len(opened.images) == count]
        fits += [bool(((opened.labels >= 0) & (opened.labels < classes)).all())]
        fits += [opened.groups is None or opened.groups.shape == (count,)]
        fits += [logits.shape == (count, classes) for logits in self.logits.values()]
        if not all(fits):
            raise ValueError("sizes or labels do not fit")
        self.summary()  # looks up all keys that a result must have

    @classmethod
    def _read(cls, file: IO[bytes]) -> "History":
        history = cls()
        with np.load(file, allow_pickle=False) as arrays:
            record = json.loads(str(arrays["about"]))
            if record.get("format") != FORMAT:
                raise InputError(OTHER_VERSION)
            history.opened = Opened(
                Spec(**record["spec"]),
                tuple(record["classes"]),
                arrays["images"],
                arrays["labels"],
                record["device"],
                arrays["groups"] if "groups" in arrays.files else None,
                record["example_unit"],
                record["group_unit"],
            )
            history.phase = Phase(**record["phase"]) if record["phase"] else None
            history.step = record["step"]
            history.param_changes = [ParamChange(**change) for change in record["turns"]]
            history.notes = record["notes"]
            history.result = record["result"]
            for name in arrays.files:
                match name.split("/"):
                    case ["logits", network]:
                        history.logits[network] = arrays[name]
                    case ["errors", network]:
                        history.errors[network] = _unpack(arrays[name])
                    case ["losses", network, part]:
                        history.losses[network, part] = _unpack(arrays[name])
        return history

    def summary(self) -> dict[str, Any]:
        """Return the data for a list of runs in plain JSON: the settings, and the results so far.

        `knobs`: current values; `turns`: by key, pairs of epoch in the student's training and new value of the knob.
        `reached`: the phase, the number of finished epochs, and of all its epochs. `validation`: errors of `examples`
        validation examples by network, the latest while it trains; at the end also `test` errors of `test_examples`,
        the `p` of the `paired_test` there (its key in a result), the groups that are `too_few` to tell networks apart,
        and `seconds`. {} before the run has opened its data.
        """
        if self.opened is None:
            return {}
        spec = self.opened.spec
        summary: dict[str, Any] = {"dataset": spec.dataset, "teacher": spec.teacher, "student": spec.student}
        summary["loss"], summary["knobs"] = spec.loss, dict(spec.knobs)
        changes: dict[str, dict[float, float]] = defaultdict(dict)
        for change in self.param_changes:
            summary["knobs"] |= change.values
            for key, value in change.values.items():
                # A change before the student's phase holds for the student from epoch 0; a drag is kept as its end.
                changes[key][round(change.epoch, 1) if change.phase == "student" else 0.0] = value
        summary["turns"] = {key: [list(pair) for pair in values.items()] for key, values in changes.items()}
        if phase := self.phase:
            done, epochs = (round(steps / phase.steps_per_epoch, 1) for steps in (self.step, phase.steps))
            summary["reached"] = {"phase": phase.name, "epoch": done, "epochs": epochs}
        summary["examples"] = len(self.opened.labels)
        drawn = {network: curve for network, curve in self.errors.items() if curve.values}
        summary["validation"] = {network: int(curve.values[-1]) for network, curve in drawn.items()}
        summary["device"] = self.opened.device
        if result := self.result:
            test = {network: result[network]["errors"] for network in drawn}
            paired = find_test(result)
            summary |= {"test": test, "test_examples": result["examples"], "p": paired["p"]}
            summary["paired_test"] = next(name for name in TESTS if name in result)
            if (groups := paired.get(self.opened.group_unit)) is not None and groups < MIN_GROUPS:
                summary["too_few"] = counted(groups, self.opened.group_unit)
            summary |= {key: result[key] for key in ("device", "seconds")}
        return summary


def _pack(curve: Curve) -> NDArray[np.float32]:
    return np.array([curve.epochs, curve.values], dtype=np.float32)


def _unpack(pair: NDArray[np.float32]) -> Curve:
    epochs, values = pair.tolist()
    return Curve(array("d", epochs), array("d", values))
