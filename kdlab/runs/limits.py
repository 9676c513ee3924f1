"""Limits for visitors: from one TOML file or the environment, with a sentence for each limit."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from kdlab.registry import InputError, Knob, knob_fields, quote

__all__ = ["DEFINITIONS", "FILE_VARIABLE", "Limits"]

FILE_VARIABLE = "KDLAB_LIMITS"
VARIABLE_PREFIX = "KDLAB_LIMIT_"
knob = partial(Knob, kind=int)


def limit(
    value: Knob | tuple[str, ...] | str, *, public: object, help: str = "", sentence: str | Mapping[str, str] = ""
) -> Any:
    """Return the dataclass field of one limit: `value` is its default, or a number's knob with default and range.

    `public`: its value under `--public`; `sentence`: what a visitor reads who exceeds it, or a sentence for each value
    that it may have.
    """
    definition = {"public": public, "help": help, "sentence": sentence}
    if isinstance(value, Knob):
        return field(default=value.default, metadata=definition | {"help": value.help, "knob": value})
    return field(default=value, metadata=definition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for visitors; 0 means no limit. The defaults are for one person on their own machine.

    Raises InputError for a value outside its range.
    """

    seconds: int = limit(
        knob("seconds", "Seconds of a run", 0, 0, 10_000_000, "how long one run may train"),
        public=900,
        sentence="This site stops a run after {limit} seconds: ask for fewer epochs or a smaller network.",
    )
    epochs: int = limit(
        knob("epochs", "Epochs", 0, 0, 100_000, "passes over the images, of teacher and of student"),
        public=1000,
        sentence="This site trains for {limit} epochs at most: ask for fewer.",
    )
    parameters: int = limit(
        knob("parameters", "Parameters", 0, 0, 10**10, "weights of one network"),
        public=12_000_000,
        sentence="This site trains networks of {limit} parameters at most: choose a smaller one.",
    )
    # Not read from the registry: it is empty in the run server, which does not import kdlab.datasets, and no names mean
    # all data sets. A test compares the two.
    datasets: tuple[str, ...] = limit(
        (),
        public=("digits", "mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100", "spoken-digits"),
        help="names of the data sets that may be trained on; an empty list: all, folders of this machine too",
        sentence="This site does not train on {refused!r}: choose {limit}.",
    )
    experiments: str = limit(
        "all",
        public="quick",
        help='which experiments may run: "none", the "quick" ones, or "all"',
        sentence={
            "none": "This site runs no experiments: look at the results that come with it.",
            "quick": "This site runs the quick size of experiments alone: choose Quick.",
            "all": "",
        },
    )
    upload_bytes: int = limit(
        knob("upload_bytes", "Bytes of a file", 0, 0, 10**10, "size of one file that is sent"),
        public=5_000_000,
        sentence="This site takes files of {limit} bytes at most: choose a smaller one.",
    )
    visitors: int = limit(
        knob("visitors", "Visitors", 0, 0, 10_000, "pages open at once; each takes about 150 MB"),
        public=50,
        sentence="This site shows {limit} pages at once, and all are taken: try again in a minute.",
    )
    preheated: int = limit(
        knob(
            "preheated",
            "Pages kept ready",
            1,
            0,
            100,
            "kernels that wait for the next visitor; 0: none, pages open later",
        ),
        public=3,
    )
    runs_at_once: int = limit(
        knob("runs_at_once", "Runs at once", 0, 0, 10_000, "runs that train side by side; 0: one for each core"),
        public=0,
    )
    queue: int = limit(
        knob("queue", "Runs that wait", 0, 0, 100_000, "runs that wait for their turn, of all visitors"),
        public=60,
        sentence="{limit} runs are waiting already, as many as this site lets wait: try again in a few minutes.",
    )
    queue_each: int = limit(
        knob("queue_each", "Runs that wait, each", 0, 0, 10_000, "runs of one visitor that wait"),
        public=2,
        sentence="{limit} of your runs wait already, as many as this site allows: stop one, or let one finish.",
    )
    pause_seconds: int = limit(
        knob("pause_seconds", "Seconds of a pause", 0, 0, 10_000_000, "how long a paused run keeps its place"),
        public=600,
        sentence="This site ends a run that is paused for {limit} seconds.",
    )
    idle_seconds: int = limit(
        knob(
            "idle_seconds",
            "Seconds after a page",
            60,
            10,
            1_000_000,
            "how long the kernel of a page that went away lives",
        ),
        public=60,
    )
    keep_days: int = limit(knob("keep_days", "Days", 0, 0, 100_000, "how long finished runs are kept"), public=14)
    disk_bytes: int = limit(
        knob("disk_bytes", "Bytes on disk", 0, 0, 10**15, "what all kept runs together may take"),
        public=5_000_000_000,
        sentence="This site has no room to keep another run: delete some of yours, or try again later.",
    )
    worker_memory_bytes: int = limit(
        knob("worker_memory_bytes", "Bytes of a worker", 0, 0, 10**13, "memory of a process that trains"),
        public=2_000_000_000,
    )

    def __post_init__(self) -> None:
        for key, checked in knob_fields(type(self)).items():
            object.__setattr__(self, key, checked.check(getattr(self, key)))
        _check_experiments(self.experiments)

    @classmethod
    def public(cls) -> Self:
        """Return the defaults of `kdlab app --public`: a class of forty on one machine."""
        return cls(**{key: definition["public"] for key, definition in DEFINITIONS.items()})

    @classmethod
    def read(cls, file: Path | None, public: bool, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the limits of a TOML file (or of the file that KDLAB_LIMITS names) over those of `public` or of none.

        Environment variables such as KDLAB_LIMIT_EPOCHS=20 override the file. Raises InputError.
        """
        start = cls.public() if public else cls()
        named = environment.get(FILE_VARIABLE)
        file = file or (Path(named) if named else None)
        values = _of_file(file) if file else {}
        variables = {key: value for key, value in environment.items() if key.startswith(VARIABLE_PREFIX)}
        for variable, text in variables.items():
            key = variable.removeprefix(VARIABLE_PREFIX).lower()
            _known(key, f"variable {variable}")
            values[key] = tuple(filter(None, map(str.strip, text.split(",")))) if key == "datasets" else text
        return replace(start, **values)

    def environment(self) -> dict[str, str]:
        """Return environment variables from which another process reads the same limits."""
        values = {key: getattr(self, key) for key in DEFINITIONS}
        return {
            f"{VARIABLE_PREFIX}{key.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
            for key, value in values.items()
        }

    def sentence(self, key: str, refused: str = "") -> str:
        """Return the sentence for a visitor who exceeds the limit `key`; `refused`: the name that is not allowed."""
        value, sentence = getattr(self, key), DEFINITIONS[key]["sentence"]
        if isinstance(value, str):
            return str(sentence[value])
        allowed = " or ".join(value) if isinstance(value, tuple) else f"{value:,}"
        return str(sentence.format(limit=allowed, refused=refused))

    def allows(self, dataset: str) -> bool:
        """Return whether the limits allow training on a data set."""
        return not self.datasets or dataset in self.datasets

    def check(self, asks: Mapping[str, Any]) -> None:
        """Raise InputError, with one sentence for the visitor, when a run asks for more than the limits allow.

        Of `asks` these keys are checked where they are present: "epochs", "teacher_epochs", "parameters" (of the
        largest network), "upload_bytes" (size of the file that is sent), "dataset" and "datasets" (their names), and
        "experiment" (its name) with "size".
        """
        for key in ("epochs", "teacher_epochs", "parameters", "upload_bytes"):
            limit_key = key.removeprefix("teacher_")
            allowed = getattr(self, limit_key)
            if allowed and asks.get(key, 0) > allowed:
                raise InputError(self.sentence(limit_key))
        for dataset in (asks.get("dataset"), *asks.get("datasets", ())):
            if dataset is not None and not self.allows(dataset):
                raise InputError(self.sentence("datasets", dataset))
        if asks.get("experiment") is not None and (
            self.experiments == "none" or (self.experiments == "quick" and asks.get("size") != "quick")
        ):
            raise InputError(self.sentence("experiments"))


# What is known of each limit, by key: its public value, its help, its sentence, and a number's knob.
DEFINITIONS = {attribute.name: attribute.metadata for attribute in fields(Limits)}


def _known(key: str, where: str) -> None:
    if key not in DEFINITIONS:
        raise InputError(f"There is no limit for the {where}; limits: {', '.join(DEFINITIONS)}.")


def _check_experiments(value: object) -> None:
    allowed = DEFINITIONS["experiments"]["sentence"]
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"The limit experiments must be one of {', '.join(allowed)}, not {quote(value)}.")


def _of_file(file: Path) -> dict[str, Any]:
    """Return the limits in a file, with the types of their fields."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"The limits {file} cannot be read ({reason}): name a TOML file.") from error
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a whole number of thousands of digits too
        raise InputError(f"The limits {file} are no TOML ({error}).") from error
    for key, value in values.items():
        _known(key, f"line {quote(key)} of {file}")
        if key == "datasets":
            if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
                raise InputError(f'The limit datasets must be a list of names, as in ["digits"], not {quote(value)}.')
            values[key] = tuple(value)
        elif key == "experiments":
            _check_experiments(value)
        elif type(value) is not int:
            raise InputError(f"The limit {key} must be a whole number, not {quote(value)}.")
    return values
