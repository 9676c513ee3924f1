"""The notebooks of the pages: their folder, and copies to work in."""

import shutil
from pathlib import Path

from kdlab.registry import InputError

__all__ = ["copy_notebooks", "notebooks"]


def notebooks() -> Path:
    """Return the folder of the notebooks: in the package when it was installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    return next(folder for folder in (package / "apps", package.parent / "apps") if folder.is_dir())


def copy_notebooks(folder: Path) -> None:
    """Copy the notebooks to `folder`, which is created; existing files stay. Raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in notebooks().glob("*.ipynb"):
            copy = folder / notebook.name
            if not copy.exists():
                shutil.copyfile(notebook, copy)
    except OSError as error:
        raise InputError(
            f"The notebooks cannot be copied to {folder.absolute()} ({error.strerror}): name a folder to write to."
        ) from error
