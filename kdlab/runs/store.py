"""Stored runs: a folder for each, which several processes and machines may share.

files/RUN/about.json  files/RUN/claim-000001  files/RUN/checkpoint.zip  files/RUN/result.zip

A run belongs to the store that created its latest claim file, which is created exclusively; the file's time is the
heartbeat. Only that store changes the state in about.json, by atomic replacement.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

from kdlab.registry import InputError
from kdlab.runs.protocol import ENDS, State
from kdlab.runs.run_files import RunFiles
from kdlab.runs.run_info import RunInfo

__all__ = ["ELSEWHERE", "HEARTBEAT_TIMEOUT", "ORPHANED", "RunStore", "StoreError"]

# Seconds without a heartbeat after which the process of a run counts as dead.
HEARTBEAT_TIMEOUT = 60.0
ORPHANED = "The process that trained this run ended before the run did."
DELETED = "This run is not kept any more: it was deleted."
ELSEWHERE = (
    "Another kdlab, such as `kdlab distill` in a terminal, trains this run: go on with it there, or wait for its end."
)


class StoreError(InputError):
    """The folder of runs cannot be read or written."""


class RunStore:
    """Stores runs under `folder`; threads and processes may share it. Raises StoreError when it cannot be used."""

    def __init__(self, folder: Path) -> None:
        try:
            self._files = RunFiles(folder / "files")
        except OSError as error:
            raise StoreError(f"Runs cannot be kept in {folder} ({error.strerror}): name another folder.") from error
        self._claims: dict[str, int] = {}  # numbers of this store's claims, by run

    # --- the list of runs ---------------------------------------------------------------------------------------------

    def create(self, run: str, *, visitor: str, kind: str, label: str, page: str, config: Mapping[str, Any]) -> None:
        """Store a new run, "queued"; raises InputError when it exists already, StoreError."""
        about: dict[str, Any] = {
            "run": run,
            "visitor": _text(visitor),
            "kind": kind,
            "label": _text(label),
            "page": page,
        }
        about |= {"about": _plain(config), "state": "queued", "message": "", "summary": {}, "created": time.time()}
        with disk_errors():
            try:
                self._files.create(run)
            except FileExistsError as error:
                raise InputError("There is a run of this id already.") from error
            try:
                self._claims[run] = self._files.claim(run, 1)
                self._files.write_about(run, about | {"ended": None, "seconds": None, "claim": 1})
            except OSError:
                with suppress(OSError):
                    self._files.remove(run)
                raise

    def claim(self, run: str) -> None:
        """Take over an ended run, to resume it; raises InputError when another store has it, StoreError."""
        with disk_errors():
            about = self._read(run)
            if about is None:
                raise InputError(DELETED)
            last, heartbeat = self._files.last_claim(run)
            alive = time.time() - heartbeat <= HEARTBEAT_TIMEOUT
            # A claim that the file about the run does not name yet is of a store that is about to resume the run.
            if alive and (about["state"] not in ENDS or last > about.get("claim", 0)):
                raise InputError(ELSEWHERE)
            try:
                self._claims[run] = self._files.claim(run, last + 1)
            except FileExistsError as error:  # another store was faster
                raise InputError(ELSEWHERE) from error
            try:
                self.update(run, state="queued", message="")
            except InputError:
                self._files.drop_claim(run, last + 1)
                raise

    def update(
        self,
        run: str,
        *,
        state: State,
        message: str | None = None,
        summary: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> bool:
        """Write the state of one of this store's runs, and a heartbeat; return False where it is no longer its own.

        Fields that are None stay. A deleted run stays deleted. Raises StoreError.
        """
        about = self._read(run)
        if about is None or not self.heartbeat(run):
            return False
        fields: dict[str, Any] = {"seconds": seconds, "state": state, "claim": self._claims[run]}
        fields["message"] = None if message is None else _text(message)
        fields["summary"] = None if summary is None else _plain(summary)
        fields = {name: value for name, value in fields.items() if value is not None}
        fields["ended"] = time.time() if state in ENDS else None
        with disk_errors(), suppress(FileNotFoundError):  # deleted meanwhile
            self._files.write_about(run, about | fields)
        return True

    def heartbeat(self, run: str) -> bool:
        """Record that a run's process lives; return False where the run was deleted, or another store has taken it.

        Raises StoreError.
        """
        number = self._claims.get(run)
        with disk_errors():
            return number is not None and self._files.renew(run, number, time.time())

    def info(self, run: str) -> RunInfo | None:
        """Return a run, or None; raises StoreError."""
        about = self._read(run)
        return None if about is None else self._info(about)

    def runs(self, visitor: str | None, limit: int = 200) -> list[RunInfo]:
        """Return the newest runs of a visitor, or of all, the newest first; raises StoreError."""
        with disk_errors():
            names = self._files.runs()
        every = [about for name in names if (about := self._read(name)) is not None]
        own = [about for about in every if visitor is None or about["visitor"] == visitor]
        own.sort(key=lambda about: (-about["created"], about["run"]))
        return [self._info(about) for about in own[:limit]]

    def _read(self, run: str) -> dict[str, Any] | None:
        """Return what about.json says of a run, or None where it is missing or damaged."""
        about = self._files.about(run)
        return about if about is not None and about.get("run") == run and _is_sound(about) else None

    def _info(self, about: Mapping[str, Any]) -> RunInfo:
        fields = {name: about[name] for name in FIELDS if name != "about"} | {"config": about["about"]}
        with disk_errors():
            if about["state"] not in ENDS:
                _, heartbeat = self._files.last_claim(about["run"])
                if time.time() - heartbeat > HEARTBEAT_TIMEOUT:
                    message = about["message"] or ORPHANED
                    fields |= {"state": "interrupted", "message": message, "ended": heartbeat or about["created"]}
            return RunInfo(**fields, resumable=self._files.has(about["run"], "checkpoint"))

    # --- files --------------------------------------------------------------------------------------------------------

    def put(self, run: str, part: str, files: Mapping[str, bytes]) -> None:
        """Replace the "checkpoint" or the "result" of a run, atomically.

        Raises InputError when the run was deleted or a name is invalid, StoreError when the disk is full.
        """
        with disk_errors():
            try:
                self._files.put(run, part, files)
            except FileNotFoundError as error:
                raise InputError(DELETED) from error

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """Return the files of a part, or None when there are none; raises InputError when they are damaged."""
        return self._files.files(run, part)

    def delete(self, run: str) -> None:
        """Remove a run and its files, if they exist; raises StoreError when that fails."""
        self._claims.pop(run, None)
        with disk_errors():
            self._files.remove(run)

    def size(self) -> int:
        """Return the total bytes of all runs' files."""
        return self._files.size()

    def delete_old(self, keep_days: float) -> int:
        """Delete runs that ended more than `keep_days` days ago (0: none), and return how many.

        Remains of interrupted writes are deleted too.
        """
        with suppress(OSError):  # another process may do the same
            self._files.sweep()
        if not keep_days:
            return 0
        oldest = time.time() - keep_days * 86400
        old = [info.run for info in self.runs(None, limit=1_000_000) if info.ended and info.ended < oldest]
        for run in old:
            self.delete(run)
        return len(old)


# The types of the fields of about.json that every run has; "about" is its config.
MAX_TIME = 1e11  # seconds; after the year 5000
NUMBER, NUMBER_OR_NONE = (int, float), (int, float, type(None))
FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("run", "visitor", "kind", "label", "page", "state", "message"), str),
    **{"about": dict, "summary": dict, "created": NUMBER, "ended": NUMBER_OR_NONE, "seconds": NUMBER_OR_NONE},
}


def _is_sound(about: Mapping[str, Any]) -> bool:
    typed = all(name in about and isinstance(about[name], kind) for name, kind in FIELDS.items())
    times = [about.get(name) or 0.0 for name in ("created", "ended", "seconds")]
    return typed and about["state"] in get_args(State) and all(0 <= value < MAX_TIME for value in times)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise a StoreError for an error of the disk."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or f"{error}"
        raise StoreError(
            f"The runs kept here cannot be read or written ({reason}): make room on the disk, or try again."
        ) from error


def _plain(value: Mapping[str, Any]) -> Any:
    """Return `value` as valid JSON: NaN and infinities become None."""
    return json.loads(json.dumps(dict(value)), parse_constant=lambda _: None)


def _text(value: str) -> str:
    """Return `value` without lone surrogates, which names of files may have, and without zero bytes."""
    return value.encode(errors="replace").decode().replace("\0", "?")
