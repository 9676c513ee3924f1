"""`kdlab app`: the dashboards as web pages."""

import os
import re
from pathlib import Path

import click

import kdlab
from kdlab import datasets, experiments  # noqa: F401  (they fill the registries)
from kdlab.registry import DATASETS, EXPERIMENTS, InputError, UnknownNameError
from kdlab.runs.limits import FILE_VARIABLE, Limits
from kdlab.server.notebooks import notebooks
from kdlab.server.ports import HOST, free_port, is_loopback

__all__ = ["app", "browser_option", "port_option"]

LIMITS_FILE = Path(kdlab.__file__).parent / "assets" / "limits.toml"
port_option = click.option("--port", type=click.IntRange(1, 65535), metavar="NUMBER", help="port to use  [a free one]")
browser_option = click.option("--no-browser", "browser", flag_value=False, default=True, help="only print the address")


@click.command(short_help="Open the dashboards as web pages.")
@click.argument("page", default="distil")
@port_option
@browser_option
@click.option("--public", is_flag=True, help="for many visitors: limits, and a queue of runs")
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
    """Open the dashboards as web pages, first PAGE: distil, if you name none, another page, or an experiment."""
    pages = {notebook.stem: notebook for notebook in sorted(notebooks().glob("*.ipynb"))}
    addresses = dict.fromkeys(pages, "") | {key: f"#experiment={key}" for key in EXPERIMENTS}
    if page not in addresses:
        raise UnknownNameError(f"There is no page {page!r}. Known: {', '.join(addresses)}.")
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
    from kdlab.server.supervisor import run_server

    if not near:
        click.echo(
            f"Other machines can reach this page at {host}: put TLS and a password before it "
            "(kdlab/docs/publishing.md)."
        )
    os.environ.update(limits.environment())  # for the kernels of pages and for the server of runs
    os.environ.pop(
        FILE_VARIABLE, None
    )  # its limits are in these variables now, and its path may be relative to another folder
    with run_server(public, scheduler, limits_file):
        notebook = pages.get(page, pages["experiment"])
        serve(notebook, addresses[page], host, port, browser, limits, base, None if near and not names else names)


def read_limits(file: Path | None, public: bool) -> Limits:
    """Return the limits of a file and of the environment; raises InputError, also for an unknown data set."""
    limits = Limits.read(file, public)
    for name in limits.datasets:
        DATASETS.find(name)
    return limits
