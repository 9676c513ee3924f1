"""Checkpoints of a run: files to resume from, so that it ends exactly as if it had never been interrupted.

checkpoint.json  history.npz  team-N.safetensors, and for the student's phase teacher.safetensors, answers.safetensors
"""

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from kdlab.datasets import Dataset
from kdlab.live_params import LiveParams
from kdlab.registry import InputError
from kdlab.train.clock import WorkClock
from kdlab.train.events import Saved
from kdlab.train.group import GroupTrainer
from kdlab.train.history import History
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import TeacherLogitCache

__all__ = ["Checkpoint", "Checkpointer", "Losses", "pack"]

# Raise this number when a change of training makes earlier checkpoints unusable.
FORMAT = 4
# Teacher logits of more bytes are not saved, but computed again.
MAX_LOGIT_BYTES = 50e6
DAMAGED = "The checkpoint of this run is damaged or incomplete: start the run from its beginning."

# By network and part.
Losses = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class CheckpointMeta:
    """State of a run at the end of an epoch of `phase`: its knobs, seconds and first losses.

    `machine`: precision and device of training; `data`: checksum of the data set.
    """

    phase: str
    step: int
    epoch: int
    knobs: Mapping[str, float]
    seconds: Mapping[str, float]
    first_losses: Losses
    machine: str
    data: int


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The files of a checkpoint whose checksums were verified."""

    meta: CheckpointMeta
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, files: Mapping[str, bytes], spec: Spec) -> "Checkpoint":
        """Return the checkpoint of a run of `spec`; raises InputError if it is damaged or belongs to another run."""
        try:
            outer = json.loads(files["checkpoint.json"])
            content = outer["about"]
            sums = {name: zlib.crc32(files[name]) for name in content["files"]}
            whole = outer["checksum"] == _checksum(content) and sums == content["files"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(DAMAGED) from error
        if not whole:
            raise InputError(DAMAGED)
        if content["made"] != (current_versions := _versions()):
            raise InputError(
                f"The checkpoint of this run was made by {content['made']}, but this is {current_versions}: start the "
                f"run from its beginning."
            )
        if content["spec"] != asdict(spec):
            raise InputError("This checkpoint belongs to a run with other settings: start this one from its beginning.")
        return cls(CheckpointMeta(**content["mark"]), {name: files[name] for name in sums})

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return the content of the file `name`.safetensors; raises InputError."""
        try:
            tensors: dict[str, Tensor] = from_bytes(self.files[f"{name}.safetensors"])
        except (KeyError, SafetensorError) as error:
            raise InputError(DAMAGED) from error
        return tensors

    def load_teacher(self, module: nn.Module) -> nn.Module:
        """Load the trained teacher's weights into `module` and return it."""
        module.load_state_dict(self.tensors("teacher"))
        return module


class Checkpointer:
    """Makes checkpoints of a run, at the end of an epoch after `every` seconds (None: never), and restores one."""

    def __init__(
        self,
        spec: Spec,
        live: LiveParams,
        clock: WorkClock,
        history: History,
        every: float | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.checkpoint = checkpoint
        self._spec, self._live, self._clock, self._history, self._every = spec, live, clock, history, every
        # The first one comes early, so that a run which is stopped soon can resume.
        self._saved_at = time.perf_counter() - 0.8 * (every or 0.0)
        self._phase_start = 0.0
        self._teacher: tuple[nn.Module, float] | None = None
        self._data_checksum = 0
        if checkpoint is not None:
            live.values.update(checkpoint.meta.knobs)

    @property
    def phase(self) -> str:
        """The phase in which the run resumes; "" for a new run."""
        return self.checkpoint.meta.phase if self.checkpoint else ""

    def check_data(self, data: Dataset) -> None:
        """Compute the checksum of the data; raises InputError if it differs from the checkpoint's."""
        if self._every is None and self.checkpoint is None:
            return
        self._data_checksum = _fingerprint(data)
        if self.checkpoint and self.checkpoint.meta.data != self._data_checksum:
            raise InputError(f"The data of {data.name} have changed since this run began: start it from its beginning.")

    def start_phase(self, phase: str) -> None:
        """Start the clock of a phase; the seconds before the checkpoint are included."""
        saved_seconds = self.checkpoint.meta.seconds[phase] if self.checkpoint and self.phase == phase else 0.0
        self._phase_start = self._clock.seconds() - saved_seconds

    @property
    def seconds(self) -> float:
        """Seconds of the phase so far, without pauses."""
        return self._clock.seconds() - self._phase_start

    def set_teacher(self, teacher: nn.Module, seconds: float) -> None:
        """Set the trained teacher and its seconds of training, for the checkpoints of the student's phase."""
        self._teacher = teacher, seconds

    def restore(self, phase: str, groups: Sequence[GroupTrainer]) -> tuple[int, Losses]:
        """Restore groups from the checkpoint; return the number of their finished epochs, and their first losses.

        Without a checkpoint of this phase these are 0 and {}. Raises InputError.
        """
        if self.checkpoint is None or self.phase != phase:
            return 0, {}
        meta = self.checkpoint.meta
        if meta.machine != (machine := _machine(groups)):
            raise InputError(
                f"This run was computed in {meta.machine}, which this machine would continue in {machine}: start it "
                f"from its beginning."
            )
        states = [self.checkpoint.tensors(f"team-{index}") for index in range(len(groups))]
        if [_shapes(group.state()) for group in groups] != [_shapes(state) for state in states]:
            raise InputError("The networks of this run are built otherwise by now: start it from its beginning.")
        for group, state in zip(groups, states, strict=True):
            group.restore(state)
        return meta.epoch, meta.first_losses

    def restore_logits(self, teacher_logits: TeacherLogitCache) -> TeacherLogitCache:
        """Restore teacher logits from the checkpoint, if it has some, and return the cache."""
        if self.checkpoint and "answers.safetensors" in self.checkpoint.files:
            teacher_logits.restore(self.checkpoint.tensors("answers"))
        return teacher_logits

    @property
    def notes(self) -> list[str]:
        """The notes so far: warnings about the run's numbers."""
        return self._history.notes

    @property
    def logits(self) -> dict[str, Tensor]:
        """The latest logits of the validation images, by network."""
        return {name: torch.from_numpy(values) for name, values in self._history.logits.items()}

    @property
    def due(self) -> bool:
        """Whether `every` seconds have passed since the last checkpoint, or a fifth of them since the start."""
        return self._every is not None and time.perf_counter() - self._saved_at >= self._every

    def save(
        self,
        phase: str,
        step: int,
        epoch: int,
        groups: Sequence[GroupTrainer],
        first_losses: Losses,
        teacher_logits: TeacherLogitCache | None,
    ) -> Saved:
        """Return a checkpoint of groups at the end of an epoch."""
        files = {f"team-{index}.safetensors": pack(group.state()) for index, group in enumerate(groups)}
        seconds = {phase: self.seconds}
        if self._teacher:
            files["teacher.safetensors"] = pack(self._teacher[0].state_dict())
            seconds["teacher"] = self._teacher[1]
        if teacher_logits and teacher_logits.nbytes < MAX_LOGIT_BYTES:
            files["answers.safetensors"] = pack(teacher_logits.state())
        files |= self._history.files()
        meta = CheckpointMeta(
            phase, step, epoch, self._live.values, seconds, first_losses, _machine(groups), self._data_checksum
        )
        record = {
            "made": _versions(),
            "spec": asdict(self._spec),
            "mark": asdict(meta),
            "files": {name: zlib.crc32(content) for name, content in files.items()},
        }
        files["checkpoint.json"] = json.dumps({"about": record, "checksum": _checksum(record)}).encode()
        self._saved_at = time.perf_counter()
        return Saved(files, final=False)


def _checksum(record: Any) -> int:
    return zlib.crc32(json.dumps(record).encode())


def _versions() -> str:
    """The versions that must be equal for a run to resume exactly."""
    return f"kdlab {version('kdlab')} (checkpoints {FORMAT}) with PyTorch {torch.__version__}"


def _machine(groups: Sequence[GroupTrainer]) -> str:
    network = groups[0].network
    device = network.parameters[0].device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return f"{str(network.dtype).removeprefix('torch.')} on {name}"


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}


def _fingerprint(data: Dataset) -> int:
    """A checksum of all images, labels and groups, and of the names of classes and units."""
    number = zlib.crc32(repr((data.classes, data.shape, data.example_unit, data.group_unit)).encode())
    for split in (data.train, data.validation, data.test):
        for part in (split.images, split.labels, split.groups):
            number = zlib.crc32(b"none" if part is None else part.cpu().contiguous().numpy().data, number)
    return number


def pack(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Return tensors as the content of a .safetensors file."""
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    content: bytes = to_bytes({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()})
    return content
