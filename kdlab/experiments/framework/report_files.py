"""Reports of experiments as files, `NAME.json`, the logits beside them, `NAME.npz`, and their numbers in words."""

import json
import math
import tempfile
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kdlab.array_file import pack_npz, unpack_npz
from kdlab.atomic import write_atomic
from kdlab.registry import InputError

__all__ = [
    "check_writable",
    "format_measured",
    "format_reference",
    "format_value",
    "load",
    "save",
    "to_line",
]


def check_writable(folder: Path | str) -> None:
    """Raise InputError when nothing can be kept in `folder`: ask before the training, not after it.

    A folder that does not exist is not made yet, but must be possible to make.
    """
    folder = Path(folder).absolute()
    home = folder
    try:
        home = next(parent for parent in (folder, *folder.parents) if parent.exists())
        with tempfile.TemporaryDirectory(prefix=".kdlab-", dir=home):
            pass
    except OSError as error:
        raise InputError(
            f"Nothing can be kept in {folder} ({home}: {error.strerror or error}): choose another folder with --out."
        ) from error


def to_line(report: Mapping[str, Any]) -> str:
    """Return a report as one line of JSON; a number that is none (a share of nothing) becomes null."""
    return json.dumps(_plain(report), allow_nan=False, ensure_ascii=False)


def save(report: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], folder: Path | str, stem: str = "") -> Path:
    """Write a report and its arrays, each file whole or not at all, and return the report's path.

    The files are `stem`.json and, where there are arrays, `stem`.npz; without a stem report.json and arrays.npz.
    Raises InputError when they cannot be written.
    """
    folder = Path(folder)
    path, beside = (folder / name for name in _names(stem))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if arrays:
            write_atomic(beside, pack_npz(arrays))
        else:
            beside.unlink(missing_ok=True)  # an older report's
        write_atomic(path, f"{to_line(report)}\n".encode())
    except OSError as error:
        raise InputError(
            f"The report cannot be kept in {folder} ({error.strerror or error}): make room there, or choose another "
            f"folder with --out."
        ) from error
    return path


def load(folder: Traversable | str, stem: str = "") -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Return the report and the arrays that `save` wrote, or None where there is no report.

    `folder`: a path, or one inside a package. Raises InputError when a file is damaged.
    """
    folder = Path(folder) if isinstance(folder, str) else folder
    path, beside = (folder / name for name in _names(stem))
    if not path.is_file():
        return None
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(report, dict):
            raise ValueError("no report")
        if not beside.is_file():
            return report, {}
        return report, unpack_npz(beside.read_bytes())
    except Exception as error:  # zip, zlib, NumPy, JSON: any exception may mean a corrupt file
        raise InputError(
            f"{path} or {beside.name} is damaged: remove it, and reproduce the experiment anew."
        ) from error


def format_measured(row: Mapping[str, Any]) -> str:
    """Return the measured value, "143.7 ± 3.2": mean and standard deviation over seeds, where there are several."""
    mean = _number(row["mean"], row["place"])
    return mean if row["deviation"] is None else f"{mean} ± {_number(row['deviation'], row['place'])}"


def format_reference(row: Mapping[str, Any], source: str) -> str:
    """Return the value that a source reports for a row, or "" without one."""
    value = row["reference"].get(source)
    return "" if value is None else f"{value:,.10g}"


def format_value(value: Any) -> str:
    """Return a setting or a choice as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {format_value(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(format_value, value))
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _names(stem: str) -> tuple[str, str]:
    return (f"{stem}.json", f"{stem}.npz") if stem else ("report.json", "arrays.npz")


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{decimals}f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
