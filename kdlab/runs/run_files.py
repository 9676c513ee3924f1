"""The files of runs in a folder, each written completely or not at all.

A part, "checkpoint" or "result", is one archive, so that replacing it is atomic; it has a manifest of its files'
checksums. See `kdlab.runs.store` for the layout.
"""

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

from kdlab.atomic import write_atomic
from kdlab.registry import InputError

__all__ = ["PARTS", "RunFiles"]

PARTS = ("checkpoint", "result")
RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
ABOUT, CLAIM = "about.json", "claim-{:06}"
MANIFEST = ".manifest.json"  # other names must not begin with a dot
# Seconds after which another process's unfinished write or removal counts as abandoned.
STALE_AFTER = 3600.0


class RunFiles:
    """Files of runs under `folder`, which is created; raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, run: str) -> None:
        """Create a run's folder; raises FileExistsError, OSError."""
        self._home(run).mkdir()

    def claim(self, run: str, number: int) -> int:
        """Create a claim file exclusively and return its number; raises FileExistsError, OSError."""
        path = self._home(run) / CLAIM.format(number)
        with path.open("x") as file:
            file.write(f"{os.getpid()} {platform.node()}")
        if self.last_claim(run)[0] > number:  # this process slept while others claimed and left the run
            path.unlink(missing_ok=True)
            raise FileExistsError
        for earlier in range(1, number):  # the store that created one sees so that it has lost the run
            self.drop_claim(run, earlier)
        return number

    def renew(self, run: str, number: int, timestamp: float) -> bool:
        """Set the time of a claim, in seconds since 1970; return False when the claim does not hold any more."""
        try:
            os.utime(self._home(run) / CLAIM.format(number), (timestamp, timestamp))
        except FileNotFoundError:
            return False
        return True

    def drop_claim(self, run: str, number: int) -> None:
        """Remove a claim; raises OSError."""
        (self._home(run) / CLAIM.format(number)).unlink(missing_ok=True)

    def last_claim(self, run: str) -> tuple[int, float]:
        """Return the number of the latest claim and its time, in seconds since 1970; (0, 0.0) where there is none.

        The time is 0.0 where the process that made the claim ran on this machine and has ended.
        """
        last, timestamp = 0, 0.0
        with suppress(FileNotFoundError), os.scandir(self._home(run)) as entries:
            for entry in entries:
                prefix, _, number = entry.name.partition("-")
                if prefix == "claim" and number.isdigit() and int(number) > last:
                    with suppress(FileNotFoundError):  # a later one has replaced it
                        last, timestamp = int(number), entry.stat().st_mtime
            if last and self._has_ended(run, last):
                timestamp = 0.0
        return last, timestamp

    def _has_ended(self, run: str, number: int) -> bool:
        pid, _, node = (self._home(run) / CLAIM.format(number)).read_text(errors="replace").partition(" ")
        return node == platform.node() and pid.isdigit() and not psutil.pid_exists(int(pid))

    def write_about(self, run: str, about: Mapping[str, Any]) -> None:
        """Write a run's metadata as plain JSON; raises OSError."""
        content = json.dumps(about).encode()
        write_atomic(self._home(run) / ABOUT, content)

    def about(self, run: str) -> dict[str, Any] | None:
        """Return a run's metadata, or None when they are missing or unreadable, or the run's id is invalid."""
        if not RUN.fullmatch(run):
            return None
        try:
            content = json.loads((self._folder / run / ABOUT).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) else None

    def runs(self) -> list[str]:
        """Return the ids of the runs with a folder; raises OSError."""
        with os.scandir(self._folder) as entries:
            return [entry.name for entry in entries if RUN.fullmatch(entry.name)]

    def put(self, run: str, part: str, files: Mapping[str, bytes]) -> None:
        """Replace a part of a run by `files`; {} deletes the part.

        Raises OSError, and InputError for an invalid name.
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
            with zipfile.ZipFile(file, "w") as archive:  # uncompressed, because weights do not compress
                for name, content in {**files, MANIFEST: _manifest(files)}.items():
                    archive.writestr(name, content)

        write_atomic(path, fill)

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """Return the files of `put`, or None; raises InputError when they are damaged."""
        path = self._path(run, part)
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                files = {name: archive.read(name) for name in archive.namelist()}
            if files.pop(MANIFEST) != _manifest(files):
                raise ValueError("checksums differ")
            return files
        except FileNotFoundError:
            return None
        except Exception as error:  # zip, zlib, struct: any exception may mean a corrupt file
            raise InputError(f"The {part} of this run is damaged and cannot be read: run it again.") from error

    def has(self, run: str, part: str) -> bool:
        """Return whether a part exists."""
        return self._path(run, part).is_file()

    def remove(self, run: str) -> None:
        """Remove all files of a run, atomically for readers; raises OSError."""
        trash = self._folder / f".gone.{run}.{secrets.token_hex(8)}"
        try:
            self._home(run).rename(trash)
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)  # `sweep` removes the remainder

    def size(self) -> int:
        """Return the total bytes of all files."""
        return sum(_size(path) for path in self._all())

    def sweep(self) -> None:
        """Remove unfinished writes and removals of processes that died."""
        for path in self._all():
            # Their names, or the names of their folders, begin with a dot.
            inside = path.relative_to(self._folder).parts
            if any(part.startswith(".") for part in inside) and _age(path) > STALE_AFTER:
                path.unlink(missing_ok=True)
        for folder in self._folder.iterdir():
            if not (folder / ABOUT).exists() and _age(folder) > STALE_AFTER:  # its creation or removal was cut off
                shutil.rmtree(folder, ignore_errors=True)

    def _all(self) -> Iterator[Path]:
        for place, _, names in os.walk(self._folder):
            for name in names:
                yield Path(place, name)

    def _home(self, run: str) -> Path:
        if not RUN.fullmatch(run):
            raise InputError(f"There is no run {run[:60]!r}: a run's id is made of letters, digits, _ and - only.")
        return self._folder / run

    def _path(self, run: str, part: str) -> Path:
        if part not in PARTS:
            raise InputError(f"A run has no part {part[:60]!r}; it has {' and '.join(PARTS)}.")
        return self._home(run) / f"{part}.zip"


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
