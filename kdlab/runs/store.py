"""Stored runs: a row for each in a database, and its files in a folder."""

import contextlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import IntegrityError

from kdlab.registry import InputError
from kdlab.runs.ledger import TROUBLE, Ledger, reason, unkept
from kdlab.runs.run_files import RunFiles
from kdlab.runs.run_info import RunInfo
from kdlab.runs.tables import RUNS
from kdlab.runs.worker import ENDS, State

__all__ = ["RunInfo", "RunStore"]

# Seconds without a heartbeat after which the process of a run counts as dead.
HEARTBEAT_TIMEOUT = 60.0
ORPHANED = "What ran this was ended before the run was."
log = logging.getLogger("kdlab")


class RunStore:
    """Stores runs under `folder`; threads and processes may share it.

    `address`: a database (any URL of SQLAlchemy) instead of the file runs.db there. Raises InputError when the store
    cannot be opened.
    """

    def __init__(self, folder: Path, address: str | None = None) -> None:
        try:
            self._shelf = RunFiles(folder / "files")
            self._ledger = Ledger(folder, address, self._shelf)
        except TROUBLE as error:
            raise InputError(f"Runs cannot be kept in {folder} ({reason(error)}): name another folder.") from error

    @property
    def trouble(self) -> str:
        """A sentence when the database's file was damaged, or ""."""
        return self._ledger.trouble

    # --- rows ---------------------------------------------------------------------------------------------------------

    def begin(self, run: str, *, visitor: str, kind: str, label: str, page: str, about: Mapping[str, Any]) -> None:
        """Store a new run, "queued"; raises InputError when it cannot be stored or exists already."""
        self._shelf.check(run)
        created = time.time()
        facts: dict[str, Any] = {
            "run": run, "visitor": _text(visitor), "kind": kind, "label": _text(label), "page": page,
            "about": _plain(about), "state": "queued", "message": "", "summary": {}, "created": created,
            "ended": None, "seconds": None, "seen": created,
        }  # fmt: skip
        inserted = []

        def add(connection: sqlalchemy.Connection) -> None:
            try:
                connection.execute(sqlalchemy.insert(RUNS).values(facts))
            except IntegrityError as error:
                raise InputError("There is a run of this id already.") from error
            inserted.append(run)
            self._shelf.begin(run, facts)  # within the transaction, so that both exist or neither

        try:
            self._ledger.do(add)
        except InputError:
            for run in inserted:
                with contextlib.suppress(OSError):
                    self._shelf.remove(run)
            raise

    def note(
        self,
        run: str,
        *,
        state: State | None = None,
        message: str | None = None,
        summary: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> None:
        """Update the given fields of a run and its heartbeat; a deleted run stays deleted. Raises InputError."""
        facts: dict[str, Any] = {"state": state, "seconds": seconds}
        facts["message"] = None if message is None else _text(message)
        facts["summary"] = None if summary is None else _plain(summary)
        facts = {name: value for name, value in facts.items() if value is not None}
        timestamp = time.time()
        if state is not None:
            facts["ended"] = timestamp if state in ENDS else None

        def change(connection: sqlalchemy.Connection) -> None:
            connection.execute(sqlalchemy.update(RUNS).where(RUNS.c.run == run).values(**facts, seen=timestamp))
            row = connection.execute(sqlalchemy.select(RUNS).where(RUNS.c.run == run)).one_or_none()
            if row and facts:
                try:
                    self._shelf.write_about(run, dict(row._mapping))
                except OSError as error:  # the row has all data
                    log.warning("the file about run %s could not be written: %s", run, error)

        self._ledger.do(change)

    def one(self, run: str) -> RunInfo | None:
        """Return a run, or None; raises InputError."""
        rows = self._ledger.do(
            lambda connection: connection.execute(sqlalchemy.select(RUNS).where(RUNS.c.run == run)).all()
        )
        return self._row(rows[0]) if rows else None

    def rows(self, visitor: str | None, limit: int = 200) -> list[RunInfo]:
        """Return the newest runs of a visitor, or of all, the newest first; raises InputError."""
        query = sqlalchemy.select(RUNS).order_by(RUNS.c.created.desc(), RUNS.c.run).limit(limit)
        if visitor is not None:
            query = query.where(RUNS.c.visitor == visitor)
        return [self._row(row) for row in self._ledger.do(lambda connection: connection.execute(query).all())]

    # --- files --------------------------------------------------------------------------------------------------------

    def put(self, run: str, part: str, files: Mapping[str, bytes]) -> None:
        """Replace the "checkpoint" or the "result" of a run, atomically.

        Raises InputError when the run was deleted, the disk is full, or a name is invalid.
        """
        try:
            self._shelf.put(run, part, files)
        except FileNotFoundError as error:
            raise InputError("This run is not kept any more: it was deleted.") from error
        except OSError as error:
            raise unkept(error) from error

    def files(self, run: str, part: str) -> dict[str, bytes] | None:
        """Return the files of a part, or None when there are none; raises InputError when they are damaged."""
        return self._shelf.files(run, part)

    def delete(self, run: str) -> None:
        """Remove a run and its files, if they exist; raises InputError when that fails."""

        def remove(connection: sqlalchemy.Connection) -> None:
            connection.execute(sqlalchemy.delete(RUNS).where(RUNS.c.run == run))
            self._shelf.remove(run)

        self._ledger.do(remove)

    def size(self) -> int:
        """Return the total bytes of all runs' files."""
        return self._shelf.size()

    def tidy(self, keep_days: float) -> int:
        """Delete runs that ended more than `keep_days` days ago (0: none), and return how many.

        Remains of interrupted writes are deleted too.
        """
        with contextlib.suppress(OSError):  # another process may do the same
            self._shelf.sweep()
        if not keep_days:
            return 0
        last = sqlalchemy.func.coalesce(RUNS.c.ended, RUNS.c.seen)
        old = sqlalchemy.select(RUNS.c.run).where(last < time.time() - keep_days * 86400)
        runs = self._ledger.do(lambda connection: connection.execute(old).scalars().all())
        for run in runs:
            self.delete(run)
        return len(runs)

    def close(self) -> None:
        """Close the database."""
        self._ledger.close()

    def _row(self, row: sqlalchemy.Row[Any]) -> RunInfo:
        facts = dict(row._mapping)
        if facts["state"] not in ENDS and time.time() - facts["seen"] > HEARTBEAT_TIMEOUT:
            facts |= {"state": "interrupted", "message": facts["message"] or ORPHANED, "ended": facts["seen"]}
        del facts["seen"]
        return RunInfo(**facts, resumable=self._shelf.has(facts["run"], "checkpoint"))


def _plain(value: Mapping[str, Any]) -> Any:
    """Return `value` as valid JSON: NaN and infinities become None."""
    return json.loads(json.dumps(dict(value)), parse_constant=lambda _: None)


def _text(value: str) -> str:
    """Return `value` without lone surrogates, which file names may have, and zero bytes, for a database."""
    return value.encode(errors="replace").decode().replace("\0", "?")
