"""`kdlab app` and `kdlab lab`: the dashboards as a web page, and as notebooks to work in."""

import errno
import shutil
import socket
from pathlib import Path

import click

import kdlab
from kdlab.registry import InputError, UnknownNameError

__all__ = ["app", "copy_notebooks", "free_port", "lab", "notebooks"]

HOST = "127.0.0.1"
_port = click.option("--port", type=click.IntRange(1, 65535), metavar="NUMBER", help="port to use  [a free one]")
_browser = click.option("--no-browser", "browser", flag_value=False, default=True, help="only print the address")


@click.command(short_help="Open the dashboards as web pages.")
@click.argument("page", default="distil")
@_port
@_browser
def app(page: str, port: int | None, browser: bool) -> None:
    """Open the dashboards as web pages, first PAGE (distil, if you name none)."""
    pages = {notebook.stem: notebook for notebook in sorted(notebooks().glob("*.ipynb"))}
    if page not in pages:
        raise UnknownNameError(f"There is no page {page!r}. Known: {', '.join(pages)}.")
    port = free_port(port)
    from kdlab.cli.voila import serve

    serve(pages[page], HOST, port, browser)


@click.command(short_help="Open the notebooks in JupyterLab.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("kdlab-notebooks"))
@_port
@_browser
def lab(folder: Path, port: int | None, browser: bool) -> None:
    """Open the notebooks in JupyterLab, copied to FOLDER (kdlab-notebooks here, if you name none)."""
    port = free_port(port)
    copy_notebooks(folder)
    click.echo(f"The notebooks are in {folder.absolute()}; change them as you like.")
    from kdlab.cli.jupyterlab import serve

    serve(folder, HOST, port, browser)


def notebooks() -> Path:
    """Return the folder of the notebooks: in the package when it was installed, beside it in a checkout."""
    package = Path(kdlab.__file__).parent
    return next(folder for folder in (package / "apps", package.parent / "apps") if folder.is_dir())


def copy_notebooks(folder: Path) -> None:
    """Copy the notebooks to `folder`, which is made; what is there already stays as it is. Raises InputError."""
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


def free_port(port: int | None) -> int:
    """Return `port`, or any free one; raises InputError when it cannot be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: a port just left is free
        try:
            probe.bind((HOST, port or 0))
        except OSError as error:
            reason = "is in use by another program" if error.errno == errno.EADDRINUSE else "may not be used"
            raise InputError(f"Port {port} {reason}: name another with --port, or leave it out.") from error
        return int(probe.getsockname()[1])
