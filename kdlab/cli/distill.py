"""`kdlab distill`: one run on the terminal, with options from the registry's entries and knobs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kdlab.registry import AUGMENTATIONS, DATASETS, LOSSES, MODELS, TEACHER_VIEWS, InputError, Knob, Registry
from kdlab.train.spec import PRECISIONS, SCHEDULES, Spec

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
@click.option("--resume", "resumed_run", metavar="ID", help="go on with an ended run from its checkpoint")
def distill(out: Path | None, as_json: bool, resumed_run: str | None, **values: Any) -> None:
    """Train a teacher on labels, then distil it into a student beside a baseline that learns from labels alone.

    What you leave out is what suits the data set. The page Runs and `kdlab runs` list this run while it trains.
    """
    given = {key: value for key, value in values.items() if value is not None}

    from kdlab.cli.follow_run import follow_run
    from kdlab.cli.print_result import print_result
    from kdlab.distillation.request import distill_request
    from kdlab.distillation.run_folder import check_free, write_folder

    spec = _spec(given) if resumed_run is None else _stored_spec(resumed_run, given)
    if out:
        check_free(out)
    result, files = follow_run(distill_request(spec), resumed_run or "")
    if as_json:
        click.echo(json.dumps(result))
    else:
        print_result(result)
    if out and not files:
        raise InputError(f"The run's weights could not be kept, so there is nothing to write to {out}.")
    if out:
        write_folder(files, out)


def _spec(given: dict[str, Any]) -> Spec:
    fields = {key: given.pop(key) for key in list(given) if key in Spec.__dataclass_fields__}
    return Spec.suggested(fields.pop("dataset", Spec().dataset), **fields, knobs=given)


def _stored_spec(run: str, given: dict[str, Any]) -> Spec:
    """Return the spec of an ended run; raises InputError."""
    from kdlab.runs.client import the_server

    info = the_server().info(run)
    if info is None or info.kind != "distil":
        raise InputError(f"There is no run {run!r} of distillation: `kdlab runs` lists those that are kept.")
    if given:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in given)
        raise InputError(f"A run goes on with its own settings: leave out {options}.")
    return Spec.from_json(json.dumps(info.config))
