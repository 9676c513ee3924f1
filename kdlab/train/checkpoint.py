"""Checkpoints of a run: files to go on from, so that it ends exactly as if it had never been interrupted.

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
from kdlab.registry import InputError
from kdlab.train.events import Saved
from kdlab.train.group import Team
from kdlab.train.history import History
from kdlab.train.live_params import LiveKnobs
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import Answers

__all__ = ["Checkpoint", "Keeper", "Losses", "pack"]

# To be raised when a change of the training core makes checkpoints from before it worthless.
FORMAT = 4
# The teacher's answers are kept up to so many bytes; more of them are worked out anew.
MOST_ANSWERS = 50e6
DAMAGED = "The checkpoint of this run is damaged or incomplete: start the run from its beginning."

# By network and part.
Losses = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a run stood: at the end of an epoch of `phase`, with the knobs, seconds and first losses that it had.

    `machine` and `data` say what it was computed with and from.
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
    """The files of a checkpoint that was read and found whole."""

    mark: Mark
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, files: Mapping[str, bytes], spec: Spec) -> "Checkpoint":
        """Return the checkpoint of a run of `spec`; raises InputError when it is damaged or of something else."""
        try:
            outer = json.loads(files["checkpoint.json"])
            about = outer["about"]
            sums = {name: zlib.crc32(files[name]) for name in about["files"]}
            whole = outer["checksum"] == _checksum(about) and sums == about["files"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(DAMAGED) from error
        if not whole:
            raise InputError(DAMAGED)
        if about["made"] != (now := _made()):
            raise InputError(
                f"The checkpoint of this run was made by {about['made']}, but this is {now}: start the run from its "
                f"beginning."
            )
        if about["spec"] != asdict(spec):
            raise InputError("This checkpoint belongs to a run with other settings: start this one from its beginning.")
        return cls(Mark(**about["mark"]), {name: files[name] for name in sums})

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return what the file `name`.safetensors holds; raises InputError."""
        try:
            found: dict[str, Tensor] = from_bytes(self.files[f"{name}.safetensors"])
        except (KeyError, SafetensorError) as error:
            raise InputError(DAMAGED) from error
        return found

    def teach(self, module: nn.Module) -> nn.Module:
        """Return `module` as the trained teacher."""
        module.load_state_dict(self.tensors("teacher"))
        return module


class Keeper:
    """Makes checkpoints of a run, at the end of an epoch after `every` seconds (None: never), and takes one up."""

    def __init__(
        self, spec: Spec, live: LiveKnobs, history: History, every: float | None, checkpoint: Checkpoint | None
    ) -> None:
        self.checkpoint = checkpoint
        self._spec, self._live, self._history, self._every = spec, live, history, every
        self._saved = time.perf_counter()
        self._began = 0.0
        self._taught: tuple[nn.Module, float] | None = None
        self._data = 0
        if checkpoint is not None:
            live.values.update(checkpoint.mark.knobs)

    @property
    def phase(self) -> str:
        """The phase in which the run goes on; "" for a new one."""
        return self.checkpoint.mark.phase if self.checkpoint else ""

    @property
    def place(self) -> tuple[str, int]:
        """The phase and the step at which the run goes on."""
        return (self.phase, self.checkpoint.mark.step) if self.checkpoint else ("", 0)

    def look(self, data: Dataset) -> None:
        """Note the data of the run; raises InputError when they are not those that it began with."""
        if self._every is None and self.checkpoint is None:
            return
        self._data = _fingerprint(data)
        if self.checkpoint and self.checkpoint.mark.data != self._data:
            raise InputError(f"The data of {data.name} have changed since this run began: start it from its beginning.")

    def begin(self, phase: str) -> None:
        """Take the time of a phase, which what came before the checkpoint is part of."""
        before = self.checkpoint.mark.seconds[phase] if self.checkpoint and self.phase == phase else 0.0
        self._began = self._live.clock() - before

    @property
    def seconds(self) -> float:
        """What the phase took so far, without pauses."""
        return self._live.clock() - self._began

    def taught(self, teacher: nn.Module, seconds: float) -> None:
        """Take a teacher that will not change any more."""
        self._taught = teacher, seconds

    def restore(self, phase: str, teams: Sequence[Team]) -> tuple[int, Losses]:
        """Bring teams to where the checkpoint left them; return the epochs behind them, and their first losses.

        Without a checkpoint of this phase that is 0 and nothing. Raises InputError.
        """
        if self.checkpoint is None or self.phase != phase:
            return 0, {}
        mark = self.checkpoint.mark
        if mark.machine != (machine := _machine(teams)):
            raise InputError(
                f"This run was computed in {mark.machine}, which this machine would continue in {machine}: start it "
                f"from its beginning."
            )
        states = [self.checkpoint.tensors(f"team-{at}") for at in range(len(teams))]
        if [_shapes(team.state()) for team in teams] != [_shapes(state) for state in states]:
            raise InputError("The networks of this run are built otherwise by now: start it from its beginning.")
        for team, state in zip(teams, states, strict=True):
            team.restore(state)
        return mark.epoch, mark.first_losses

    def remember(self, answers: Answers) -> Answers:
        """Return the teacher's answers with those that were kept."""
        if self.checkpoint and "answers.safetensors" in self.checkpoint.files:
            answers.restore(self.checkpoint.tensors("answers"))
        return answers

    @property
    def notes(self) -> list[str]:
        """What was said so far that whoever reads the run's numbers should mind."""
        return self._history.notes

    @property
    def logits(self) -> dict[str, Tensor]:
        """The latest logits of the validation images, by network."""
        return {name: torch.from_numpy(values) for name, values in self._history.logits.items()}

    @property
    def due(self) -> bool:
        """Whether it is time for another checkpoint."""
        return self._every is not None and time.perf_counter() - self._saved >= self._every

    def save(
        self, phase: str, step: int, epoch: int, teams: Sequence[Team], first_losses: Losses, answers: Answers | None
    ) -> Saved:
        """Return a checkpoint of teams at the end of an epoch."""
        files = {f"team-{at}.safetensors": pack(team.state()) for at, team in enumerate(teams)}
        seconds = {phase: self.seconds}
        if self._taught:
            files["teacher.safetensors"] = pack(self._taught[0].state_dict())
            seconds["teacher"] = self._taught[1]
        if answers and answers.nbytes < MOST_ANSWERS:
            files["answers.safetensors"] = pack(answers.state())
        files |= self._history.files()
        mark = Mark(phase, step, epoch, self._live.values, seconds, first_losses, _machine(teams), self._data)
        about = {
            "made": _made(),
            "spec": asdict(self._spec),
            "mark": asdict(mark),
            "files": {name: zlib.crc32(content) for name, content in files.items()},
        }
        files["checkpoint.json"] = json.dumps({"about": about, "checksum": _checksum(about)}).encode()
        self._saved = time.perf_counter()
        return Saved(files, final=False)


def _checksum(about: Any) -> int:
    return zlib.crc32(json.dumps(about).encode())


def _made() -> str:
    """What must be equal for a run to go on as it began."""
    return f"kdlab {version('kdlab')} (checkpoints {FORMAT}) with PyTorch {torch.__version__}"


def _machine(teams: Sequence[Team]) -> str:
    network = teams[0].network
    device = network.parameters[0].device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return f"{str(network.dtype).removeprefix('torch.')} on {name}"


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (one.shape, one.dtype) for name, one in state.items()}


def _fingerprint(data: Dataset) -> int:
    """A number that changes with any image, label, class or group, and with what these are called."""
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
