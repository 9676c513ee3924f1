"""The table of runs, which is rebuilt from their files when its database is lost or damaged."""

import contextlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy
from filelock import FileLock
from sqlalchemy.exc import SQLAlchemyError

from kdlab.registry import InputError
from kdlab.runs.run_files import RunFiles
from kdlab.runs.tables import RUNS, check, connect, is_damage

__all__ = ["TROUBLE", "Ledger", "reason", "unkept"]

T = TypeVar("T")
FACTS = {column.name for column in RUNS.columns}
# Exceptions of the disk and the database; JSONDecodeError: a row was altered.
TROUBLE = (SQLAlchemyError, OSError, json.JSONDecodeError)
log = logging.getLogger("kdlab")


class Ledger:
    """The table in `folder`/runs.db, or in the database at `address`; `shelf`: the files of the runs.

    `trouble`: a sentence when the file was damaged, or "". Raises InputError when the database is unusable.
    """

    def __init__(self, folder: Path, address: str | None, shelf: RunFiles) -> None:
        self.trouble = ""
        self._shelf = shelf
        self._file = None if address else folder / "runs.db"
        self._engine = connect(address or folder / "runs.db")
        self._anchor: sqlalchemy.Connection | None = None
        self._lock = FileLock(folder / "runs.lock")
        try:
            self._open()
        except TROUBLE:
            self.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._weigh_anchor()
        self._engine.dispose()

    def do(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Do `work` in a transaction; rebuild a damaged database first."""
        for may_reopen in (True, False):
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except TROUBLE as error:
                if not may_reopen or not is_damage(error):
                    raise unkept(error) from error
                try:
                    self._open()
                except TROUBLE as worse:
                    raise unkept(worse) from worse
        raise AssertionError

    def _open(self) -> None:
        """Open the database, set it aside if it is damaged, and add runs that only the files have."""
        aside = ""
        with self._lock:
            try:
                check(self._engine)
            except TROUBLE as error:
                if self._file is None or not is_damage(error):
                    raise
                self._weigh_anchor()
                aside = self._set_aside(self._file)
                log.error("%s is damaged (%s) and was set aside as %s", self._file, error, aside)
                check(self._engine)
            back = self._read_back()
            if self._file and self._anchor is None:
                # An open connection keeps the WAL files, which could not be created on a full disk.
                self._anchor = self._engine.connect()
        if aside:
            self.trouble = f"The list of runs was damaged and is now {aside}; {back} were read back from their files."

    def _weigh_anchor(self) -> None:
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    @staticmethod
    def _set_aside(file: Path) -> str:
        aside = f"damaged-{time.strftime('%Y%m%d-%H%M%S')}-{file.name}"
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                file.with_name(file.name + end).replace(file.with_name(aside + end))
        return aside

    def _read_back(self) -> int:
        """Add runs, and ends of runs, that the database lacks; return how many."""
        with self._engine.connect() as connection:
            ended = dict(connection.execute(sqlalchemy.select(RUNS.c.run, RUNS.c.ended)).all())
        back = 0
        for run in self._shelf.runs():
            about = None if ended.get(run) else self._shelf.about(run)
            if about is None or about.keys() != FACTS or (run in ended and not about["ended"]):
                continue
            try:
                with self._engine.begin() as connection:
                    if run in ended:
                        connection.execute(sqlalchemy.update(RUNS).where(RUNS.c.run == run).values(about))
                    else:
                        connection.execute(sqlalchemy.insert(RUNS).values(about))
                    if self._shelf.about(run) is None:  # deleted meanwhile
                        connection.rollback()
                    else:
                        back += 1
            except SQLAlchemyError as error:  # another process was faster, or the file is invalid
                log.warning("run %s could not be read back: %s", run, error)
        return back


def reason(error: Exception) -> str:
    """Describe an error of the disk or the database in a few words, without paths, statements and addresses."""
    inner = getattr(error, "orig", None) or error
    if isinstance(error, SQLAlchemyError) and not type(inner).__module__.startswith("sqlite3"):
        log.error(
            "the database of runs failed: %s", inner
        )  # the message may have its address and its user, so it is only logged
        return "the database does not answer as it should"
    return getattr(inner, "strerror", None) or str(inner).strip().partition("\n")[0] or type(inner).__name__


def unkept(error: Exception) -> InputError:
    """Return an InputError for an error of the disk or the database."""
    return InputError(
        f"The runs kept here cannot be read or written ({reason(error)}): make room on the disk, or try again."
    )
