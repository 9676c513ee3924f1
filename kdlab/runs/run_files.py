"""The files of runs in a folder, each written whole or not at all.

files/RUN/about.json  files/RUN/checkpoint.zip  files/RUN/result.zip

A part is one archive, so that taking another's place is a single step; it holds a manifest of its files' checksums.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from kdlab.registry import InputError

__all__ = ["PARTS", "Shelf"]

PARTS = ("checkpoint", "result")
RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
ABOUT = "about.json"
MANIFEST = ".manifest.json"  # begins as no other name does
# Seconds after which what another process began to write, or to remove, counts as left behind by one that died.
STALE = 3600.0


class Shelf:
    """Files of runs under `folder`, which is made; raises OSError when that cannot be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def check(run: str) -> None:
        """Raise InputError for what cannot be the id of a run."""
        if not RUN.fullmatch(run):
            raise InputError(f"There is no run {run[:60]!r}: a run's id is made of letters, digits, _ and - only.")

    def begin(self, run: str, about: Mapping[str, Any]) -> None:
        """Make a run's place, and write what it is about; raises OSError."""
        self._home(run).mkdir(exist_ok=True)
        self.write_about(run, about)

    def write_about(self, run: str, about: Mapping[str, Any]) -> None:
        """Write what a run is about, plain JSON; raises OSError."""
        content = json.dumps(about).encode()
        _write(self._home(run) / ABOUT, lambda file: file.write(content))

    def about(self, run: str) -> dict[str, Any] | None:
        """Return what a run is about, or None when nothing legible is there."""
        try:
            found = json.loads((self._home(run) / ABOUT).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def runs(self) -> list[str]:
        """Return the ids of the runs that have a place here."""
        return [path.name for path in self._folder.iterdir() if RUN.fullmatch(path.name) and path.is_dir()]

    def put(self, run: str, part: str, files: Mapping[str, bytes]) -> None:
        """Keep `files` as a run's part, in place of what it held; {} leaves nothing of it.

        Raises OSError, and InputError for a wrong name.
        """
        path = self._path(run, part)
        if not files:
            path.unlink(missing_ok=True)
            return
        for name in files:
            if not NAME.fullmatch(name):
                raise InputError(
                    f"A file of a run cannot be called {name[:60]!r}: use letters, digits, and . _ - only."
                )

        def fill(file: IO[bytes]) -> None:
            with zipfile.ZipFile(file, "w") as archive:  # stored as they are: weights do not shrink
                for name, content in {**files, MANIFEST: _manifest(files)}.items():
                    archive.writestr(name, content)

        _write(path, fill)

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """Return what `put` kept, or None; raises InputError when it is damaged."""
        path = self._path(run, part)
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                files = {name: archive.read(name) for name in archive.namelist()}
            if files.pop(MANIFEST) != _manifest(files):
                raise ValueError("checksums differ")
            return files
        except FileNotFoundError:
            return None
        except Exception as error:  # zip, zlib, struct: what damage may raise has no end
            raise InputError(f"The {part} of this run is damaged and cannot be read: run it again.") from error

    def has(self, run: str, part: str) -> bool:
        """Whether a part is kept."""
        return self._path(run, part).is_file()

    def remove(self, run: str) -> None:
        """Remove all files of a run, at once for those who look; raises OSError."""
        gone = self._folder / f".gone.{run}.{secrets.token_hex(8)}"
        try:
            self._home(run).rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)  # what stays is swept up later

    def size(self) -> int:
        """Return the bytes that all files take."""
        return sum(_size(path) for path in self._all())

    def sweep(self) -> None:
        """Remove what processes that died have left half-written or half-removed."""
        for path in self._all():
            # Ours begin with a dot, or lie in a folder that does.
            inside = path.relative_to(self._folder).parts
            if any(part.startswith(".") for part in inside) and _age(path) > STALE:
                path.unlink(missing_ok=True)
        for place in self._folder.iterdir():
            if place.is_dir() and not any(place.iterdir()) and _age(place) > STALE:
                place.rmdir()

    def _all(self) -> Iterator[Path]:
        for place, _, names in os.walk(self._folder):
            for name in names:
                yield Path(place, name)

    def _home(self, run: str) -> Path:
        self.check(run)
        return self._folder / run

    def _path(self, run: str, part: str) -> Path:
        if part not in PARTS:
            raise InputError(f"A run has no part {part[:60]!r}; it has {' and '.join(PARTS)}.")
        return self._home(run) / f"{part}.zip"


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Let `fill` write a file, whole and on the disk or not at all; raises OSError."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with scratch.open("xb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, and the name is on the disk with the file
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return json.dumps({name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}).encode()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # another process removed it meanwhile
        return 0


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0
