"""A finished run in a folder: its spec, its result, its history and the weights of its three networks.

spec.json  result.json  history.npz  teacher.safetensors  baseline.safetensors  student.safetensors
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from kdlab import models
from kdlab.lazy import nn
from kdlab.registry import InputError
from kdlab.train.spec import Spec

if TYPE_CHECKING:
    from kdlab.distillation.result import DistillResult

__all__ = ["NETWORKS", "check_free", "contents", "load", "save", "write_folder"]

NETWORKS = ("teacher", "baseline", "student")


def check_free(folder: Path | str) -> None:
    """Raise InputError if a run cannot be saved as `folder`; call this before the training."""
    folder = Path(folder).absolute()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder} exists already: name a new folder, or empty that one first.")
    if folder.exists() and (folder == Path.cwd() or folder.is_mount()):
        # A run is saved by renaming a scratch folder to this path, and these two cannot be replaced.
        raise InputError(f"{folder} is in use as it is: name a new folder inside it.")
    home = _home(folder)
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        raise InputError(f"{folder} cannot be made, because {home} is no folder that you may write to: name another.")


def save(result: DistillResult, folder: Path | str) -> None:
    """Write a finished run to `folder`; see `write_folder`."""
    write_folder(contents(result), folder)


def write_folder(files: Mapping[str, bytes], folder: Path | str) -> None:
    """Write the files of a finished run, by name, to `folder` atomically; missing parents are created.

    Raises InputError when the folder is not free or cannot be written.
    """
    check_free(folder)
    folder = Path(folder).absolute()
    try:
        with tempfile.TemporaryDirectory(prefix=".kdlab-save-", dir=_home(folder)) as scratch:
            complete = Path(scratch, "run")  # inside, because other users cannot read the scratch folder itself
            complete.mkdir()
            for name, content in files.items():
                # Not written by safetensors itself, because other users cannot read its files.
                (complete / name).write_bytes(content)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                folder.rmdir()
            complete.rename(folder)
    except OSError as error:
        raise InputError(
            f"The run could not be saved in {folder} ({error.strerror or error}): name another folder."
        ) from error


def load(folder: Path | str, network: str, module: nn.Module | None = None) -> nn.Module:
    """Return the "teacher", "baseline" or "student" of a saved run, on the CPU, ready to predict.

    `module`: a network of the same build to load the weights into, for one that was made in Python. Raises InputError.
    """
    folder = Path(folder)
    if network not in NETWORKS:
        raise InputError(f"There is no network {network!r} in a run; it has {', '.join(NETWORKS)}.")
    if not (folder / "spec.json").is_file():
        raise InputError(f"There is no run in {folder}: give a folder that `kdlab distill --out` or `save` wrote.")
    from safetensors.torch import load_file

    try:
        state = load_file(folder / f"{network}.safetensors")
        if module is None:
            module = _build(folder, network)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise InputError(
            f"The {network} in {folder} is damaged or incomplete: run it again into a new folder."
        ) from error
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"The weights of the {network} in {folder} belong to a network of another build.") from error
    return module.eval()


def _home(folder: Path) -> Path:
    """The nearest existing parent folder: it is on the same disk, so that the last step is a rename."""
    return next(parent for parent in folder.parents if parent.exists())


def contents(result: DistillResult) -> dict[str, bytes]:
    """Return the files of a finished run by name."""
    from kdlab.train.checkpoint import pack

    return {
        "spec.json": (result.spec.to_json() + "\n").encode(),
        "result.json": (json.dumps(result.result, indent=2) + "\n").encode(),
        **result.history.files(),
        **{f"{network}.safetensors": pack(getattr(result, network).state_dict()) for network in NETWORKS},
    }


def _build(folder: Path, network: str) -> nn.Module:
    spec = Spec.from_json((folder / "spec.json").read_text(encoding="utf-8"))
    name = spec.teacher if network == "teacher" else spec.student
    if name.startswith("module:"):
        kind = name.removeprefix("module:")
        raise InputError(f"The {network} in {folder} was made in Python: pass load(…, module={kind}(…)) to fill it.")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return models.build(name, tuple(result["shape"]), len(result["classes"]))
