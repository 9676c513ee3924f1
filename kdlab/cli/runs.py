"""`kdlab runs`: lists, shows and deletes the runs that pages and commands began."""

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kdlab.io import sanitize_text
from kdlab.registry import InputError

if TYPE_CHECKING:
    from kdlab.runs.run_info import RunInfo

__all__ = ["runs"]


@click.group(invoke_without_command=True, short_help="List, show and delete the runs that are kept.")
@click.pass_context
def runs(context: click.Context) -> None:
    """List the runs that pages and commands began, the newest first."""
    if context.invoked_subcommand is None:
        _list()


@runs.command(short_help="Show one run.")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="print it as one line of JSON, and nothing else")
def show(run: str, as_json: bool) -> None:
    """Show the run with the id RUN: its state, its settings and its result."""
    from kdlab.cli.print_result import print_result
    from kdlab.runs.client import the_server

    server = the_server()
    info = server.info(run)
    if info is None:
        raise InputError(f"There is no run {run!r}: `kdlab runs` lists those that are kept.")
    result = json.loads((server.files(run, "result") or {}).get("result.json", b"null"))
    if as_json:
        click.echo(json.dumps(asdict(info) | {"result": result}))
        return
    click.echo(f"{sanitize_text(info.label, 200)}\n{_describe(info)}")
    for key, value in info.config.items():
        click.echo(f"  {key}: {value if isinstance(value, str) else json.dumps(value)}")
    if result:
        print_result(result)


@runs.command(short_help="Delete runs.")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN…")
def delete(run_ids: tuple[str, ...]) -> None:
    """Delete ended runs with these ids, and all that is kept of them."""
    from kdlab.runs.client import the_server

    for run in run_ids:
        the_server().delete(run)
        click.echo(f"Deleted {run}.", err=True)


def _list() -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from kdlab.runs.client import the_server

    infos = the_server().runs()
    if not infos:
        click.echo("No runs are kept: `kdlab distill` and the pages of `kdlab app` begin some.")
        return
    table = Table(box=SIMPLE_HEAD)
    for heading in ("id", "begun", "state", "validation errors", "what is run"):
        table.add_column(heading, no_wrap=heading == "id")
    for info in infos:
        begun = time.strftime("%m-%d %H:%M", time.localtime(info.created))
        state = f"{info.state}, can go on" if _can_go_on(info) else info.state
        table.add_row(info.run, begun, state, _errors(info), Text(sanitize_text(info.label, 200)))
    # In a pipe a line a run, for grep and the like.
    Console(highlight=False, width=None if sys.stdout.isatty() else 250).print(table)


def _describe(info: "RunInfo") -> str:
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.created))
    spent = "" if info.seconds is None else f", {info.seconds:,.1f} s of training"
    lines = [f"{info.state}{': ' if info.message else ''}{info.message}", f"begun {begun}{spent}"]
    if reached := info.summary.get("reached"):
        place = f"{reached['phase']}: epoch {reached['epoch']:g} of {reached['epochs']:g}"
        lines.append(f"{place}; validation errors of {info.summary['examples']:,}: {_errors(info)}")
    if _can_go_on(info) and info.kind == "distil":
        lines.append(f"To go on from the last checkpoint: kdlab distill --resume {info.run}")
    return "\n".join(lines)


def _errors(info: "RunInfo") -> str:
    """Return the latest validation errors of the networks in words."""
    return ", ".join(f"{network} {errors:,}" for network, errors in info.summary.get("validation", {}).items())


def _can_go_on(info: "RunInfo") -> bool:
    return info.resumable and info.state in ("stopped", "failed", "interrupted")
