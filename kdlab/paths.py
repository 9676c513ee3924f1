"""The three folders of a person: data sets, runs, and what experiments keep."""

import os
from pathlib import Path

import platformdirs

__all__ = ["data_folder", "experiments_folder", "runs_folder"]


def data_folder() -> Path:
    """Return the folder that holds downloaded data sets: `KDLAB_DATA`, or one in the user's cache folder."""
    if chosen := os.environ.get("KDLAB_DATA"):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("kdlab") / "data"


def runs_folder() -> Path:
    """Return the folder that runs are kept in: `KDLAB_RUNS`, or one among the user's data."""
    if chosen := os.environ.get("KDLAB_RUNS"):
        return Path(chosen).expanduser()
    return platformdirs.user_data_path("kdlab") / "runs"


def experiments_folder() -> Path:
    """Return the folder that pieces and reports are kept in unless another is named; all experiments share it.

    `KDLAB_PIECES` names it; a public site has one of its own, which is tidied.
    """
    if chosen := os.environ.get("KDLAB_PIECES"):
        return Path(chosen)
    return platformdirs.user_cache_path("kdlab") / "experiments"
