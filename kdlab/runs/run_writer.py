"""The server's writes to its store, on a thread of their own and within the limit on disk space."""

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from kdlab.registry import InputError
from kdlab.runs.limits import Limits
from kdlab.runs.protocol import Files
from kdlab.runs.store import RunStore

__all__ = ["STAYS", "RunWriter"]

T = TypeVar("T")
STAYS = "The run's numbers stay on this page; kdlab goes on trying to keep them."
FULL = "This site has no room to keep more of this run: delete some of yours."
log = logging.getLogger("kdlab")


class RunWriter:
    """Writes the states and files of runs; `run` calls a method on the writer's thread, one after the other.

    `weights_folder`: the folder of networks that experiments trained, which shares the limits on space and age.
    """

    def __init__(self, store: RunStore, limits: Limits, weights_folder: Path | None) -> None:
        self._store, self._limits, self._weights_folder = store, limits, weights_folder
        # What is to be written again, by run: results, and fields of the store.
        self._unsaved: dict[str, Files] = {}
        self._unsaved_fields: dict[str, Mapping[str, Any]] = {}
        self._written = 0
        self.measure()
        # Not a pool of concurrent.futures: that ends before the handlers of atexit, one of which closes the server.
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="kdlab-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a function on the writer's thread and return its result."""
        future: Future[T] = Future()
        self._work.put((lambda: work(*arguments, **options), future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread after the work that waits."""
        self._work.put(None)
        self._thread.join()

    @property
    def used_bytes(self) -> int:
        """The bytes on disk and those in memory that still wait to be written."""
        return self._written + sum(map(_bytes, list(self._unsaved.values())))

    def is_unsaved(self, run: str) -> bool:
        """Return whether a run's result or state still waits to be written."""
        return run in self._unsaved or run in self._unsaved_fields

    def unsaved_result(self, run: str) -> Files | None:
        """Return a run's result that still waits to be written, or None."""
        return self._unsaved.get(run)

    # --- on the writer's thread ---------------------------------------------------------------------------------------

    def update(self, run: str, fields: Mapping[str, Any]) -> bool:
        """Write the state of a run, or let `retry` do so; return False where it belongs to another server now."""
        self._unsaved_fields.pop(run, None)
        try:
            return self._store.update(run, **fields) or self._store.info(run) is None
        except InputError as error:
            self._unsaved_fields[run] = fields
            log.error("%s", error)
            return True

    def heartbeat(self, run: str) -> None:
        """Write a sign of life of a run; a failure is logged."""
        try:
            self._store.heartbeat(run)
        except InputError as error:
            log.error("%s", error)

    def save(self, run: str, part: str, files: Files) -> str:
        """Write a part of a run, or remove it for {}; return a sentence for its page when that fails, else "".

        `retry` writes a failed result again. Nothing is written to a run that belongs to another server now.
        """
        try:
            self._put(run, part, files)
        except InputError as error:
            if part == "result":
                self._unsaved[run] = files
            log.error("%s", error)
            return f"{error} {STAYS}"
        if part == "result":
            self._unsaved.pop(run, None)  # an earlier result, from before the run was resumed
        return ""

    def retry(self) -> list[str]:
        """Write failed results and states again; return the runs that succeeded."""
        waiting = {*self._unsaved, *self._unsaved_fields}
        for run in waiting:
            try:
                if self._store.info(run) is None:  # deleted meanwhile
                    self._unsaved.pop(run, None)
                    self._unsaved_fields.pop(run, None)
                if run in self._unsaved:
                    self._put(run, "result", self._unsaved[run])
                    del self._unsaved[run]
                if run in self._unsaved_fields:
                    self._store.update(run, **self._unsaved_fields[run])
                    del self._unsaved_fields[run]
            except InputError:
                continue  # the first failure was logged
        return [run for run in waiting if not self.is_unsaved(run)]

    def delete(self, run: str) -> None:
        """Remove a run and all of it; raises InputError."""
        self._unsaved.pop(run, None)
        self._store.delete(run)
        self.measure()  # at once, because visitors delete runs to make space

    def measure(self) -> None:
        """Measure the used disk space; between two calls only added files are counted."""
        self._written = self._store.size() + sum(stat.st_size for stat in self._cached_weights().values())

    def delete_old(self) -> None:
        """Delete runs and trained networks older than the limit `keep_days`."""
        days = self._limits.keep_days
        try:
            self._store.delete_old(days)
            for path, stat in self._cached_weights().items():
                if days and time.time() - stat.st_mtime > 86400 * days:
                    path.unlink(missing_ok=True)
        except (InputError, OSError) as error:
            log.error("%s", error)

    def _serve(self) -> None:
        while (task := self._work.get()) is not None:
            work, future = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)

    def _put(self, run: str, part: str, files: Files) -> None:
        if not self._store.heartbeat(run) and self._store.info(run) is not None:
            return  # another server has it, and its own files
        size = _bytes(files)
        # The replaced part stays until the new one is written, so both count.
        if files and 0 < self._limits.disk_bytes < self._written + size:
            raise InputError(FULL)
        self._store.put(run, part, files)
        self._written += size

    def _cached_weights(self) -> dict[Path, os.stat_result]:
        """Return the cached files of experiments; a file that another process removes meanwhile is skipped."""
        stats: dict[Path, os.stat_result] = {}
        folder = self._weights_folder
        for path in folder.iterdir() if folder and folder.is_dir() else ():
            with suppress(FileNotFoundError):
                stats[path] = path.stat()
        return stats


def _bytes(files: Files) -> int:
    return sum(map(len, files.values()))
