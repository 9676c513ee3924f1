"""`kdlab distill`: one run on the terminal, with options from the registry's entries and knobs."""

import json
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdlab.registry import AUGMENTATIONS, DATASETS, LOSSES, MODELS, TEACHER_VIEWS, InputError, Knob, Registry
from kdlab.train.spec import PRECISIONS, SCHEDULES, Spec

if TYPE_CHECKING:
    from kdlab.distillation.result import DistillResult

__all__ = ["distill"]

Command = Callable[..., Any]
METAVARS = {int: "INTEGER", float: "NUMBER"}


def _name_option(key: str, registry: Registry, use: str) -> Callable[[Command], Command]:
    return click.option(f"--{key}", metavar="NAME", help=f"{use}: {', '.join(registry.examples())}.")


def _knob_option(knob: Knob, default: str) -> Callable[[Command], Command]:
    """Return an option whose typed value goes to the spec unchanged; the spec checks it."""
    flag = f"--{knob.key.replace('_', '-')}"
    if knob.kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", knob.key, default=None, help=f"{knob.help}  [{default}]")
    limits = f"{knob.minimum:g} to {knob.maximum:,g}" if knob.maximum < 1e6 else f"{knob.minimum:g} or more"
    return click.option(flag, knob.key, metavar=METAVARS[knob.kind], help=f"{knob.help}  [{limits}; {default}]")


def _spec_options(command: Command) -> Command:
    """Add one option for each field of a spec and for each knob of any loss."""
    options = [
        _name_option("dataset", DATASETS, "images to learn from"),
        _name_option("teacher", MODELS, "network to train first"),
        _name_option("student", MODELS, "network to distil into"),
        _name_option("loss", LOSSES, "what the student minimises"),
        _name_option("augmentation", AUGMENTATIONS, "how the images that the student sees are moved"),
        _name_option("teacher-augmentation", AUGMENTATIONS, "the same for the teacher's own training"),
        _name_option("teaching", TEACHER_VIEWS, "which views of the images the teacher answers"),
        click.option("--precision", metavar="NAME", help=f"of products in training: {', '.join(PRECISIONS)}."),
        click.option("--schedule", metavar="NAME", help=f"of the learning rate: {', '.join(SCHEDULES)}."),
    ]
    knobs: dict[str, tuple[Knob, list[str]]] = {}
    for entry in LOSSES.values():
        for knob in entry.knobs:
            default = ("on" if knob.default else "off") if knob.kind is bool else f"{knob.default:g}"
            knobs.setdefault(knob.key, (knob, []))[1].append(f"{entry.key}: {default}")
    options += [_knob_option(knob, ", ".join(defaults)) for knob, defaults in knobs.values()]
    for knob in Spec.run_knobs().values():
        varies = any(knob.key in entry.suggested for entry in DATASETS.values())
        options.append(
            _knob_option(knob, f"{knob.default:g}{' unless the data set asks for another' if varies else ''}")
        )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Train a teacher, then a student beside its baseline.")
@_spec_options
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="save the run in this new folder")
@click.option("--json", "as_json", is_flag=True, help="print the result as one line of JSON, and nothing else")
def distill(out: Path | None, as_json: bool, **values: Any) -> None:
    """Train a teacher on labels, then distil it into a student beside a baseline that learns from labels alone.

    What you leave out is what suits the data set. The page Runs lists this run beside those that pages began.
    """
    knobs = {key: value for key, value in values.items() if value is not None}
    fields = {key: knobs.pop(key) for key in list(knobs) if key in Spec.__dataclass_fields__}
    spec = Spec.suggested(fields.pop("dataset", Spec().dataset), **fields, knobs=knobs)

    from kdlab.cli.print_result import print_result
    from kdlab.cli.progress import follow
    from kdlab.distillation import run_folder
    from kdlab.distillation.distill import distill_events
    from kdlab.train.device import training_context
    from kdlab.train.loop import Diverged

    if out:
        run_folder.check_free(out)
    try:
        with training_context():  # once for the whole run, not for each event
            result = follow(distill_events(spec))
    except Diverged as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(result.result))
    else:
        print_result(result.result)
    if out:
        run_folder.save(result, out)
    _keep(result)


def _keep(result: "DistillResult") -> None:
    """Add the result of a finished run to the list of the page Runs; print a failure and continue."""
    from kdlab.distillation.run_folder import contents
    from kdlab.runs.client import open_store

    name, spec = secrets.token_urlsafe(12), result.spec
    try:
        with closing(open_store()) as store:
            store.begin(name, visitor="", kind="distil", label=spec.label, page="distil", about=asdict(spec))
            try:
                store.put(name, "result", contents(result))
            except InputError:
                store.delete(name)
                raise
            seconds = sum(result.result["seconds"].values())
            store.note(name, state="done", summary=result.history.summary(), seconds=seconds)
    except InputError as error:
        click.echo(f"The run is not among those on the page Runs: {error}", err=True)
