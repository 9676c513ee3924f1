"""Preloaded by a worker of Dask: a run that was moved to it, and is told nothing, keeps its place for seconds only."""

from kdlab.runs.executors import dask_worker

dask_worker.START_TIMEOUT = 5.0
