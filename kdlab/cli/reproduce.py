"""`kdlab reproduce`: an experiment of the paper, beside the numbers that others report."""

import inspect
import signal
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdlab.paths import experiments_folder
from kdlab.registry import EXPERIMENTS, InputError, knob_fields

if TYPE_CHECKING:
    from kdlab.runs.protocol import Executor

__all__ = ["reproduce"]

YES_OR_NO = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}


class _Listing(click.Command):
    """A command whose help ends with a list of the experiments, which are imported only then."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        import kdlab.experiments  # noqa: F401  (fills the registry)

        with formatter.section("Experiments"):
            formatter.write_dl([(entry.key, f"{entry.label}: {entry.help}") for entry in EXPERIMENTS.values()])


@click.command(cls=_Listing, short_help="Repeat an experiment of the paper, beside the reported numbers.")
@click.argument("name", required=False)
@click.option("--quick", is_flag=True, help="smaller networks, fewer epochs, one seed: minutes instead of hours")
@click.option("--seeds", metavar="INTEGER", help="how often all is repeated; the same as --set seeds=INTEGER")
@click.option(
    "--set", "pairs", metavar="KEY=VALUE", multiple=True,
    help="change one of the settings that a run lists first (may be given several times)",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="print the report as one line of JSON, and nothing else")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER",
    help="keep what is trained and the report here  [a folder in your cache that all experiments share]",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS", envvar="DASK_SCHEDULER_ADDRESS",
    help="train what does not wait for one another at once, with the workers of a Dask scheduler: tcp://HOST:8786  "
    "[DASK_SCHEDULER_ADDRESS, or none]",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1), help="the same with so many workers of this machine")
def reproduce(
    name: str | None, quick: bool, seeds: str | None, pairs: tuple[str, ...], as_json: bool, out: Path | None,
    scheduler: str | None, workers: int | None,
) -> None:  # fmt: skip
    """Train what the experiment NAME needs, and print what came out beside what the paper and others report.

    What is finished is kept: interrupted, the same line goes on from there.
    """
    import kdlab.experiments  # noqa: F401  (fills the registry)
    from kdlab.experiments.framework import report_files

    if name is None:
        raise InputError(f"Name an experiment, as in kdlab reproduce {next(iter(EXPERIMENTS))}: {_known()}.")
    entry, argument = EXPERIMENTS.find(name)
    if argument:
        raise InputError(f"The experiment {entry.key!r} takes nothing behind a colon; change it with --set KEY=VALUE.")
    kind: Any = entry.build
    settings = _read_settings(kind, [*pairs, *([f"seeds={seeds}"] if seeds is not None else [])])
    experiment = kind.of_size(quick, **settings)
    folder = out or experiments_folder()
    report_files.check_writable(folder)
    stem = "" if out else _stem(entry.key, quick, asdict(experiment), asdict(kind.of_size(quick)))

    try:
        with _terminable():
            from kdlab.cli.print_report import print_report

            settings_text = ", ".join(
                f"{key}={report_files.format_value(value)}" for key, value in asdict(experiment).items()
            )
            click.echo(f"{entry.label}. {inspect.getdoc(kind)}\nSettings: {settings_text}\n", err=True)

            from kdlab.cli.experiment_progress import follow  # torch, which takes seconds to import
            from kdlab.experiments.framework.run import reproduce_events
            from kdlab.train.loop import Diverged

            try:
                if workers or scheduler:
                    with _pool(None if workers else scheduler, workers) as executor:
                        from kdlab.experiments.framework.distributed import distributed_events

                        events = distributed_events(executor, experiment, entry.key, folder, quick, settings)
                        report, arrays = follow(events)
                else:
                    report, arrays = follow(reproduce_events(entry.key, folder, quick, settings))
            except Diverged as error:
                raise click.ClickException(str(error)) from error
            path = report_files.save(report, arrays, folder, stem)
            if as_json:
                click.echo(report_files.to_line(report))
            else:
                print_report(report, path)
    except KeyboardInterrupt:
        click.echo(f"\nStopped: what is finished is kept in {folder}, and the same line goes on from there.", err=True)
        raise SystemExit(130) from None


@contextmanager
def _pool(scheduler: str | None, workers: int | None) -> "Iterator[Executor]":
    """Provide workers of a scheduler, or of this machine until the block ends."""
    from kdlab.runs.executors.dask import DaskExecutor

    executor = DaskExecutor(scheduler, workers)
    try:
        yield executor
    finally:
        executor.close()


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _known() -> str:
    return "; ".join(f"{entry.key} ({entry.label})" for entry in EXPERIMENTS.values())


def _read_settings(kind: type, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the typed settings; the experiment itself checks them."""
    yes_or_no = {key for key, knob in knob_fields(kind).items() if knob.kind is bool}
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set takes KEY=VALUE, such as seeds=2, not {pair!r}.")
        key = key.replace("-", "_")
        settings[key] = YES_OR_NO.get(value.lower(), value) if key in yes_or_no else value
    return settings


def _stem(key: str, quick: bool, settings: dict[str, Any], defaults: dict[str, Any]) -> str:
    """Return the report's name in the shared folder; other settings than the defaults give another name."""
    size = f"{key}-quick" if quick else key
    changed = [f"{key}={value}" for key, value in settings.items() if value != defaults[key]]
    return f"{size}-{zlib.crc32(' '.join(changed).encode()):08x}" if changed else size
