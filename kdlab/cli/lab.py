"""`kdlab lab`: the notebooks in JupyterLab, to work in."""

from pathlib import Path

import click

from kdlab.cli.app import browser_option, port_option
from kdlab.server.notebooks import copy_notebooks
from kdlab.server.ports import HOST, free_port

__all__ = ["lab"]


@click.command(short_help="Open the notebooks in JupyterLab.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("kdlab-notebooks"))
@port_option
@browser_option
def lab(folder: Path, port: int | None, browser: bool) -> None:
    """Open the notebooks in JupyterLab, copied to FOLDER (kdlab-notebooks here, if you name none)."""
    port = free_port(port)
    copy_notebooks(folder)
    click.echo(f"The notebooks are in {folder.absolute()}; change them as you like.")
    from kdlab.server.lab import serve

    serve(folder, HOST, port, browser)
