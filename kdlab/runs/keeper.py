"""The desk's writes to its store, within the limit on disk space."""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Files
from kdlab.runs.worker import Status

if TYPE_CHECKING:
    from kdlab.runs.store import RunStore

__all__ = ["Keeper"]

FULL = "This site has no room to keep more of this run: delete some of yours."
STAYS = "The run's numbers stay on this page; kdlab goes on trying to keep them."
log = logging.getLogger("kdlab")


class Keeper:
    """Writes the states and files of runs; any thread may call it, with or without the desk's lock.

    `pieces`: the folder of networks that experiments trained, which shares the limits on space and age.
    """

    def __init__(self, store: "RunStore", limits: Limits, pieces: Path | None) -> None:
        self._store, self._limits, self._pieces = store, limits, pieces
        self._unkept: dict[str, Files] = {}  # results to write again, by run; changed by atomic operations only
        self._written = 0
        self.measure()

    @property
    def taken(self) -> int:
        """The bytes on disk and those in memory that still wait to be written."""
        return self._written + sum(map(_bytes, list(self._unkept.values())))

    def note(self, run: str, status: Status | None = None, **facts: Any) -> None:
        """Write the state of a run, or only its heartbeat; a failure is logged."""
        try:
            if status is None:
                self._store.note(run)
            else:
                self._store.note(run, state=status.state, message=status.message, **facts)
        except InputError as error:
            log.error("%s", error)

    def keep(self, run: str, part: str, files: Files) -> str:
        """Write a part of a run, or remove it for {}; return a sentence for its page when that fails, else "".

        `retry` writes a failed result again.
        """
        try:
            self._put(run, part, files)
        except InputError as error:
            if part == "result":
                self._unkept[run] = files
            log.error("%s", error)
            return f"{error} {STAYS}"
        if part == "result":
            self._unkept.pop(run, None)  # an earlier result, from before the run was resumed
        return ""

    def lacks(self, run: str) -> bool:
        """Return whether a run's result still waits to be written."""
        return run in self._unkept

    def retry(self) -> list[str]:
        """Write failed results again; return the runs that succeeded."""
        settled = []
        for run, files in list(self._unkept.items()):
            try:
                if self._store.one(run) is not None:  # not deleted meanwhile
                    self._put(run, "result", files)
            except InputError:
                continue  # the first failure was logged
            self._unkept.pop(run, None)
            settled.append(run)
        return settled

    def delete(self, run: str) -> None:
        """Remove a run and all of it; raises InputError."""
        self._unkept.pop(run, None)
        self._store.delete(run)

    def measure(self) -> None:
        """Measure the used disk space; between two calls only added files are counted."""
        self._written = self._store.size() + sum(facts.st_size for facts in self._kept_pieces().values())

    def tidy(self) -> None:
        """Delete runs and trained networks older than the limit `keep_days`."""
        days = self._limits.keep_days
        try:
            self._store.tidy(days)
            for piece, facts in self._kept_pieces().items():
                if days and time.time() - facts.st_mtime > 86400 * days:
                    piece.unlink(missing_ok=True)
        except (InputError, OSError) as error:
            log.error("%s", error)

    def _put(self, run: str, part: str, files: Files) -> None:
        size = _bytes(files)
        # The replaced part stays until the new one is written, so both count.
        if files and 0 < self._limits.disk_bytes < self._written + size:
            raise InputError(FULL)
        self._store.put(run, part, files)
        self._written += size

    def _kept_pieces(self) -> dict[Path, os.stat_result]:
        """Return the cached files of experiments; a file that another process removes meanwhile is skipped."""
        stats: dict[Path, os.stat_result] = {}
        for path in self._pieces.iterdir() if self._pieces and self._pieces.is_dir() else ():
            with suppress(FileNotFoundError):
                stats[path] = path.stat()
        return stats


def _bytes(files: Files) -> int:
    return sum(map(len, files.values()))
