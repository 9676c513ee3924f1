"""`kdlab app` and `kdlab lab`: the dashboards as a web page, and as notebooks to work in."""

import errno
import ipaddress
import os
import re
import shutil
import socket
from pathlib import Path

import click

import kdlab
from kdlab import datasets  # noqa: F401  (it fills the registry)
from kdlab.registry import DATASETS, InputError, UnknownNameError
from kdlab.runs.limits import FILE, Limits

__all__ = ["app", "copy_notebooks", "free_port", "lab", "notebooks"]

HOST = "127.0.0.1"
LIMITS_FILE = Path(kdlab.__file__).parent / "assets" / "limits.toml"
_port = click.option("--port", type=click.IntRange(1, 65535), metavar="NUMBER", help="port to use  [a free one]")
_browser = click.option("--no-browser", "browser", flag_value=False, default=True, help="only print the address")


@click.command(short_help="Open the dashboards as web pages.")
@click.argument("page", default="distil")
@_port
@_browser
@click.option("--public", is_flag=True, help="for many visitors: limits, and one pool of workers that trains for all")
@click.option("--scheduler", metavar="ADDRESS", help="train on this Dask cluster instead: tcp://…")
@click.option(
    "--limits",
    "limits_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"what visitors may do, as TOML; {LIMITS_FILE} explains each",
)
@click.option("--host", default=HOST, metavar="ADDRESS", help="address to listen at; 0.0.0.0: all  [this machine only]")
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="name that visitors type, such as kdlab.example.org"
)
@click.option("--base-url", default="/", metavar="PATH", help="path of all pages, behind a proxy  [/]")
def app(
    page: str,
    port: int | None,
    browser: bool,
    public: bool,
    scheduler: str | None,
    limits_file: Path | None,
    host: str,
    names: tuple[str, ...],
    base_url: str,
) -> None:
    """Open the dashboards as web pages, first PAGE (distil, if you name none)."""
    pages = {notebook.stem: notebook for notebook in sorted(notebooks().glob("*.ipynb"))}
    if page not in pages:
        raise UnknownNameError(f"There is no page {page!r}. Known: {', '.join(pages)}.")
    near, shared = is_loopback(host), public or scheduler is not None
    if not near and not shared:
        raise InputError(
            f"Other machines can reach this page at {host}: add --public, which tells visitors apart and limits what "
            "they may do."
        )
    limits = read_limits(limits_file, public)
    if (public or not near) and not limits.datasets:
        raise InputError(
            "The limit datasets is empty, which would open every folder of this machine to visitors: name data sets."
        )
    base = f"/{base_url.strip('/')}/".replace("//", "/")
    if not re.fullmatch(r"[\w/.~-]+", base):
        raise InputError(f"--base-url must be a path such as /kdlab/, not {base_url!r}.")
    port = free_port(port, host)
    from kdlab.server.app import serve
    from kdlab.server.supervisor import desk

    if not near:
        click.echo(
            f"Other machines can reach this page at {host}: put TLS and a password before it (README, Publishing)."
        )
    os.environ.update(limits.environment())  # for the kernels of pages, and the desk
    os.environ.pop(FILE, None)  # all of it is in these variables, and its name may mean nothing where kernels start
    with desk(public, scheduler, limits_file):
        serve(pages[page], host, port, browser, limits, base, None if near and not names else names)


def read_limits(file: Path | None, public: bool) -> Limits:
    """Return the limits of a file and of the environment, whose data sets exist. Raises InputError."""
    limits = Limits.read(file, public)
    for name in limits.datasets:
        DATASETS.find(name)
    return limits


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens at `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@click.command(short_help="Open the notebooks in JupyterLab.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("kdlab-notebooks"))
@_port
@_browser
def lab(folder: Path, port: int | None, browser: bool) -> None:
    """Open the notebooks in JupyterLab, copied to FOLDER (kdlab-notebooks here, if you name none)."""
    port = free_port(port)
    copy_notebooks(folder)
    click.echo(f"The notebooks are in {folder.absolute()}; change them as you like.")
    from kdlab.server.lab import serve

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


def free_port(port: int | None, host: str = HOST) -> int:
    """Return `port`, or any free one at an address; raises InputError when it cannot be had."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: a port just left is free
        try:
            probe.bind((host, port or 0))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise InputError(f"This machine has no address {host!r}: name another with --host.") from error
            reason = "is in use by another program" if error.errno == errno.EADDRINUSE else "may not be used"
            raise InputError(f"Port {port} {reason}: name another with --port, or leave it out.") from error
        return int(probe.getsockname()[1])
