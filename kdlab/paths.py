"""The three folders of a person: data sets, runs, and cached experiments."""

import os
from pathlib import Path

import platformdirs

__all__ = ["data_folder", "experiments_folder", "runs_folder"]


def data_folder() -> Path:
    """Return the folder of downloaded data sets: `KDLAB_DATA`, or one in the user's cache folder."""
    if chosen := os.environ.get("KDLAB_DATA"):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("kdlab") / "data"


def runs_folder() -> Path:
    """Return the folder of saved runs: `KDLAB_RUNS`, or one in the user's data folder."""
    if chosen := os.environ.get("KDLAB_RUNS"):
        return Path(chosen).expanduser()
    return platformdirs.user_data_path("kdlab") / "runs"


def experiments_folder() -> Path:
    """Return the default folder for trained networks and reports, which all experiments share.

    `KDLAB_PIECES` names it; a public site uses a separate one and deletes old files there.
    """
    if chosen := os.environ.get("KDLAB_PIECES"):
        return Path(chosen)
    return platformdirs.user_cache_path("kdlab") / "experiments"
