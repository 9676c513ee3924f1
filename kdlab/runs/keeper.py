"""What a desk writes to its store, within the room that it has."""

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
    from kdlab.runs.store import Store

__all__ = ["Keeper"]

FULL = "This site has no room to keep more of this run: delete some of yours."
STAYS = "The run's numbers stay on this page; kdlab goes on trying to keep them."
log = logging.getLogger("kdlab")


class Keeper:
    """Writes how runs stand and what they have; any thread may ask it to, with the desk's lock or without.

    `pieces`: the folder of what experiments train, which shares the room and the days of the runs.
    """

    def __init__(self, store: "Store", limits: Limits, pieces: Path | None) -> None:
        self._store, self._limits, self._pieces = store, limits, pieces
        self._unkept: dict[str, Files] = {}  # results to try again, by their run; changed by single steps only
        self._written = 0
        self.measure()

    @property
    def taken(self) -> int:
        """How many bytes are written, and wait to be: what waits fills the memory, and is to have room too."""
        return self._written + sum(map(_bytes, list(self._unkept.values())))

    def note(self, run: str, status: Status | None = None, **facts: Any) -> None:
        """Write how a run stands, or only that somebody has it in hand; where that fails the log says so."""
        try:
            if status is None:
                self._store.note(run)
            else:
                self._store.note(run, state=status.state, message=status.message, **facts)
        except InputError as error:
            log.error("%s", error)

    def keep(self, run: str, part: str, files: Files) -> str:
        """Write a part of a run, or remove it for {}; return what its page must say when that fails, else "".

        A result that could not be written is tried again by `retry`.
        """
        try:
            self._put(run, part, files)
        except InputError as error:
            if part == "result":
                self._unkept[run] = files
            log.error("%s", error)
            return f"{error} {STAYS}"
        if part == "result":
            self._unkept.pop(run, None)  # an earlier one, of before the run went on
        return ""

    def lacks(self, run: str) -> bool:
        """Whether a run's result could not be written yet."""
        return run in self._unkept

    def retry(self) -> list[str]:
        """Try again to write what could not be; return the runs of which nothing waits any more."""
        settled = []
        for run, files in list(self._unkept.items()):
            try:
                if self._store.one(run) is not None:  # not deleted meanwhile
                    self._put(run, "result", files)
            except InputError:
                continue  # it was said when it was first tried
            self._unkept.pop(run, None)
            settled.append(run)
        return settled

    def delete(self, run: str) -> None:
        """Remove a run and all of it; raises InputError."""
        self._unkept.pop(run, None)
        self._store.delete(run)

    def measure(self) -> None:
        """Look how much is written; between two looks only what is added is counted."""
        self._written = self._store.size() + sum(facts.st_size for facts in self._kept_pieces().values())

    def tidy(self) -> None:
        """Remove what was kept for as long as was agreed."""
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
        # The earlier one, whose place it takes, stays until it is written, and counts.
        if files and 0 < self._limits.disk_bytes < self._written + size:
            raise InputError(FULL)
        self._store.put(run, part, files)
        self._written += size

    def _kept_pieces(self) -> dict[Path, os.stat_result]:
        """What experiments have kept; a file that another process removes meanwhile is left out."""
        found: dict[Path, os.stat_result] = {}
        for one in self._pieces.iterdir() if self._pieces and self._pieces.is_dir() else ():
            with suppress(FileNotFoundError):
                found[one] = one.stat()
        return found


def _bytes(files: Files) -> int:
    return sum(map(len, files.values()))
