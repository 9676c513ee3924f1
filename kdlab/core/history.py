"""What happened in a run: an append-only record of its events, ready to draw, and its file."""

import dataclasses
import json
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.events import Done, Event, KnobsTurned, Opened, Phase, Probe, Progress, Step
from kdlab.core.metrics import count_errors
from kdlab.core.spec import Spec

__all__ = ["Curve", "History", "Turn"]


def _floats() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Curve:
    """Values over epochs of the network's own training, in arrays that NumPy reads without a copy."""

    epochs: "array[float]" = field(default_factory=_floats)
    values: "array[float]" = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class Turn:
    """Knobs that were turned at `epoch` of `phase`, with their new values."""

    phase: str
    epoch: float
    values: dict[str, float]


class History:
    """Everything a page shows of a run; `append` takes its events in order.

    `losses[network, part]` and `errors[network]` are curves, `logits[network]` the test logits of the latest of
    `evaluations` probes.
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
        self.turns: list[Turn] = []
        self.result: dict[str, Any] | None = None

    def append(self, event: Event) -> None:
        """Record one event."""
        match event:
            case Progress():
                self.progress = event
            case Opened():
                self.opened, self.progress = event, None
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
                    self._add(self.errors[network], event.step, count_errors(logits, self.opened.test_labels))
            case KnobsTurned():
                self.turns.append(Turn(event.phase, self._epoch(event.step), dict(event.values)))
            case Done():
                self.result = dict(event.result)

    def _epoch(self, step: int) -> float:
        return step / self.phase.steps_per_epoch if self.phase else 0.0

    def _add(self, curve: Curve, step: int, value: float) -> None:
        curve.epochs.append(self._epoch(step))
        curve.values.append(value)

    def save(self, path: Path) -> None:
        """Write the history to an .npz file without pickled objects; the run must have opened its data."""
        assert self.opened is not None
        arrays: dict[str, NDArray[Any]] = {
            "test_images": self.opened.test_images,
            "test_labels": self.opened.test_labels,
            **{f"logits/{network}": logits for network, logits in self.logits.items()},
            **{f"errors/{network}": _pack(curve) for network, curve in self.errors.items()},
            **{f"losses/{network}/{part}": _pack(curve) for (network, part), curve in self.losses.items()},
        }
        about = {
            "spec": dataclasses.asdict(self.opened.spec),
            "classes": self.opened.classes,
            "device": self.opened.device,
            "phase": dataclasses.asdict(self.phase) if self.phase else None,
            "step": self.step,
            "turns": [dataclasses.asdict(turn) for turn in self.turns],
            "result": self.result,
        }
        np.savez_compressed(path, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)

    @classmethod
    def load(cls, path: Path) -> "History":
        """Return the history that `save` wrote."""
        history = cls()
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            history.opened = Opened(
                Spec(**about["spec"]),
                tuple(about["classes"]),
                arrays["test_images"],
                arrays["test_labels"],
                about["device"],
            )
            history.phase = Phase(**about["phase"]) if about["phase"] else None
            history.step = about["step"]
            history.turns = [Turn(**turn) for turn in about["turns"]]
            history.result = about["result"]
            for name in arrays.files:
                match name.split("/"):
                    case ["logits", network]:
                        history.logits[network] = arrays[name]
                    case ["errors", network]:
                        history.errors[network] = _unpack(arrays[name])
                    case ["losses", network, part]:
                        history.losses[network, part] = _unpack(arrays[name])
        return history


def _pack(curve: Curve) -> NDArray[np.float32]:
    return np.array([curve.epochs, curve.values], dtype=np.float32)


def _unpack(pair: NDArray[np.float32]) -> Curve:
    epochs, values = pair.tolist()
    return Curve(array("d", epochs), array("d", values))
