"""Limits for visitors: from one TOML file or the environment, with a sentence for each limit."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from kdlab.registry import InputError, knob_field, knob_fields, quote

__all__ = ["EXPERIMENT_SIZES", "FILE_VARIABLE", "LISTS", "Limits"]

EXPERIMENT_SIZES = ("none", "quick", "all")
FILE_VARIABLE = "KDLAB_LIMITS"
VARIABLE_PREFIX = "KDLAB_LIMIT_"

# The limits that are not numbers.
LISTS = {
    "datasets": "names of the data sets that may be trained on; an empty list: all, folders of this machine too",
    "experiments": 'which experiments may run: "none", the "quick" ones, or "all"',
}

SENTENCES = {
    "seconds": "This site stops a run after {limit} seconds: ask for fewer epochs or a smaller network.",
    "epochs": "This site trains for {limit} epochs at most: ask for fewer.",
    "parameters": "This site trains networks of {limit} parameters at most: choose a smaller one.",
    "upload_bytes": "This site takes files of {limit} bytes at most: choose a smaller one.",
    "visitors": "This site shows {limit} pages at once, and all are taken: try again in a minute.",
    "queue": "{limit} runs are waiting already, as many as this site lets wait: try again in a few minutes.",
    "queue_each": "{limit} of your runs wait already, as many as this site allows: stop one, or let one finish.",
    "pause_seconds": "This site ends a run that is paused for {limit} seconds.",
    "disk_bytes": "This site has no room to keep another run: delete some of yours, or try again later.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for visitors; 0 means no limit. The defaults are for one person on their own machine.

    Raises InputError for a value outside its range.
    """

    seconds: int = knob_field("seconds", "Seconds of a run", 0, 0, 10_000_000, "how long one run may train")
    epochs: int = knob_field("epochs", "Epochs", 0, 0, 100_000, "passes over the images, of teacher and of student")
    parameters: int = knob_field("parameters", "Parameters", 0, 0, 10**10, "weights of one network")
    datasets: tuple[str, ...] = ()
    experiments: str = "all"
    upload_bytes: int = knob_field("upload_bytes", "Bytes of a file", 0, 0, 10**10, "size of one file that is sent")
    visitors: int = knob_field("visitors", "Visitors", 0, 0, 10_000, "pages open at once; each takes about 150 MB")
    preheated: int = knob_field(
        "preheated", "Pages kept ready", 1, 0, 100, "kernels that wait for the next visitor; 0: none, pages open later"
    )
    runs_at_once: int = knob_field(
        "runs_at_once", "Runs at once", 0, 0, 10_000, "runs that train side by side; 0: one for each two cores"
    )
    queue: int = knob_field("queue", "Runs that wait", 0, 0, 100_000, "runs that wait for their turn, of all visitors")
    queue_each: int = knob_field("queue_each", "Runs that wait, each", 0, 0, 10_000, "runs of one visitor that wait")
    pause_seconds: int = knob_field(
        "pause_seconds", "Seconds of a pause", 0, 0, 10_000_000, "how long a paused run keeps its place"
    )
    idle_seconds: int = knob_field(
        "idle_seconds", "Seconds after a page", 60, 10, 1_000_000, "how long the kernel of a page that went away lives"
    )
    keep_days: int = knob_field("keep_days", "Days", 0, 0, 100_000, "how long finished runs are kept")
    disk_bytes: int = knob_field("disk_bytes", "Bytes on disk", 0, 0, 10**15, "what all kept runs together may take")
    worker_memory_bytes: int = knob_field(
        "worker_memory_bytes", "Bytes of a worker", 0, 0, 10**13, "memory of a process that trains"
    )

    def __post_init__(self) -> None:
        for key, knob in knob_fields(type(self)).items():
            object.__setattr__(self, key, knob.check(getattr(self, key)))
        if self.experiments not in EXPERIMENT_SIZES:
            allowed = ", ".join(EXPERIMENT_SIZES)
            raise InputError(f"The limit experiments must be one of {allowed}, not {quote(self.experiments)}.")

    @classmethod
    def public(cls) -> Self:
        """Return the defaults of `kdlab app --public`: a class of forty on one machine."""
        return cls(
            seconds=900,
            epochs=1000,
            parameters=12_000_000,
            datasets=("digits", "mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100", "spoken-digits"),
            experiments="quick",
            upload_bytes=5_000_000,
            visitors=50,
            preheated=3,
            queue=60,
            queue_each=2,
            pause_seconds=600,
            keep_days=14,
            disk_bytes=5_000_000_000,
            worker_memory_bytes=2_000_000_000,
        )

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
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            f"{VARIABLE_PREFIX}{key.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
            for key, value in values.items()
        }

    def sentence(self, key: str) -> str:
        """Return the sentence for a visitor who exceeds this limit."""
        return SENTENCES[key].format(limit=f"{getattr(self, key):,}")

    def allows(self, dataset: str) -> bool:
        """Return whether the limits allow training on a data set."""
        return not self.datasets or dataset in self.datasets

    def check(self, asks: Mapping[str, Any]) -> None:
        """Check `RunRequest.limits_input`, on the server and again in the worker; raises InputError, one sentence."""
        for asked_key, key in (("epochs", "epochs"), ("teacher_epochs", "epochs"), ("upload_bytes", "upload_bytes")):
            limit = getattr(self, key)
            if limit and asks.get(asked_key, 0) > limit:
                raise InputError(self.sentence(key))
        for dataset in (asks.get("dataset"), *asks.get("datasets", ())):
            if dataset is not None and not self.allows(dataset):
                raise InputError(f"This site does not train on {dataset!r}: choose {' or '.join(self.datasets)}.")
        if asks.get("experiment") is not None:
            if self.experiments == "none":
                raise InputError("This site runs no experiments: look at the results that come with it.")
            if self.experiments == "quick" and asks.get("size") != "quick":
                raise InputError("This site runs the quick size of experiments alone: choose Quick.")


def _known(key: str, where: str) -> None:
    names = [limit_field.name for limit_field in fields(Limits)]
    if key not in names:
        raise InputError(f"There is no limit for the {where}; limits: {', '.join(names)}.")


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
            if not isinstance(value, str):
                raise InputError(
                    f"The limit experiments must be one of {', '.join(EXPERIMENT_SIZES)}, not {quote(value)}."
                )
        elif type(value) is not int:
            raise InputError(f"The limit {key} must be a whole number, not {quote(value)}.")
    return values
