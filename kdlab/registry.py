"""Named entries with their knobs: one registry feeds the pages, the command line, the checks and the tests.

A data set, a model, a loss … is one entry; a decorator on the function that builds it registers it:

    @LOSSES.add("hinton", label="Hinton 2015", help="...", knobs=(...))
    def hinton(...): ...

The modules with the entries (`kdlab.datasets`, `.models`, `.losses`, `.augmentations`) import torch only inside their
functions, so that a page can list the entries without importing torch.
"""

import difflib
import logging
import math
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Literal, TypeVar

__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "EXPERIMENTS",
    "LOSSES",
    "MODELS",
    "TEACHER_VIEWS",
    "Entry",
    "InputError",
    "InputWarning",
    "Knob",
    "Registry",
    "UnknownNameError",
    "knob_field",
    "knob_fields",
    "quote",
    "read_options",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger("kdlab")


class InputError(ValueError):
    """An input cannot be used; the message is one sentence that says what to do."""


class InputWarning(UserWarning):
    """An input can be used, but with a caveat; the message is one sentence."""


class UnknownNameError(InputError):
    """No entry has this name; the message lists the known names."""


def quote(value: object, max_length: int = 50) -> str:
    """Return an input as it can be quoted in a sentence: one short line, with control characters escaped."""
    text = " ".join(repr(value[:max_length] if isinstance(value, str) else value).split())
    cut = len(text) > max_length or (isinstance(value, str) and len(value) > max_length)
    return f"{text[: max_length - 1]}…" if cut else text


@dataclass(frozen=True, slots=True)
class Knob:
    """A number that people may set.

    `kind`: the type of its value; `scale`: the scale of its slider; `symbol`: its short name in figures.
    """

    key: str
    label: str
    default: float
    minimum: float
    maximum: float
    help: str
    kind: type = float
    scale: Literal["linear", "log"] = "linear"
    symbol: str = ""

    def check(self, value: object) -> float:
        """Return `value` as this knob's type.

        Raises InputError when it is no number or lies outside the range.
        """
        try:
            number = self.kind(value)
            exact = float(number) == float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            exact = False
        if not exact or not math.isfinite(number) or not self.minimum <= number <= self.maximum:
            kind_name = {int: "a whole number", float: "a number", bool: "yes or no (1 or 0)"}[self.kind]
            limits = "" if self.kind is bool else f" from {self.minimum:g} to {self.maximum:g}"
            raise InputError(f"{self.label} ({self.key}) must be {kind_name}{limits}, not {quote(value)}.")
        return number  # type: ignore[no-any-return]


def knob_field(
    key: str, label: str, default: float, minimum: float, maximum: float, help: str, **attributes: Any
) -> Any:
    """Return a dataclass field that is a knob: a whole number unless `kind` says otherwise."""
    knob = Knob(key, label, default, minimum, maximum, help, **({"kind": int} | attributes))
    return field(default=default, metadata={"knob": knob})


def knob_fields(owner: type) -> dict[str, Knob]:
    """Return the knobs among the fields of a dataclass, by key."""
    return {attribute.name: attribute.metadata["knob"] for attribute in fields(owner) if "knob" in attribute.metadata}


def read_options(owner: str, argument: str, knobs: tuple[Knob, ...]) -> dict[str, float]:
    """Return the knobs' values from "a=1:b=2", the others at their defaults; errors name the `owner`.

    Raises InputError for an option that is unknown or outside its range.
    """
    by_key = {knob.key: knob for knob in knobs}
    values = {knob.key: knob.default for knob in knobs}
    for option in filter(None, argument.split(":")):
        key, equals, value = option.partition("=")
        if key not in by_key or not equals:
            names = ", ".join(f"{key}=…" for key in by_key) or "none"
            raise InputError(f"The {owner} does not understand {quote(option, 30)}; options it knows: {names}.")
        try:
            values[key] = by_key[key].check(by_key[key].kind(value))
        except ValueError as error:
            knob = by_key[key]
            limits = f"{knob.help}, from {knob.minimum:g} to {knob.maximum:g}"
            raise InputError(f"The {owner} cannot take {quote(option, 30)}: {limits}.") from error
    return values


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered name: `build` makes the object, `examples` are full names to offer in a list.

    `suggested`: for a data set, recommended fields of a spec. `stamp`: a random id, which changes with a new
    registration of the same key.
    """

    key: str
    label: str
    help: str
    build: Callable[..., Any]
    knobs: tuple[Knob, ...] = ()
    examples: tuple[str, ...] = ()
    suggested: Mapping[str, Any] = field(default_factory=dict)
    stamp: str = field(default_factory=lambda: secrets.token_hex(8), compare=False, repr=False)

    @property
    def shipped(self) -> bool:
        """Whether the entry comes with kdlab, and not from a person's notebook or module."""
        build: Any = self.build
        while isinstance(build, partial):
            build = build.func
        return str(build.__module__).partition(".")[0] == __name__.partition(".")[0]


class Registry(Mapping[str, Entry]):
    """Entries of one kind by key, in the order of registration."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(
        self,
        key: str,
        *,
        label: str,
        help: str,
        knobs: tuple[Knob, ...] = (),
        examples: tuple[str, ...] = (),
        suggested: Mapping[str, Any] | None = None,
    ) -> Callable[[F], F]:
        """Register the decorated function as the entry `key`; a person's own entry can be registered again.

        Entries that share a knob's key share one `Knob`, because there is one slider and one option for it. Raises
        InputError for the key of an entry that comes with kdlab, and for a different knob with a used key.
        """

        def register(build: F) -> F:
            if ":" in key or not key:
                raise InputError(f"The {self.kind} {key!r} needs a name without a colon: give it another.")
            replaced = self._entries.get(key)
            if replaced and replaced.shipped:
                raise InputError(f"The {self.kind} {key!r} comes with kdlab and stays: give yours another name.")
            own_knobs = {knob.key: knob for knob in knobs}
            for entry in self._entries.values():
                if clash := [
                    knob.key for knob in entry.knobs if own_knobs.get(knob.key, knob) != knob and entry is not replaced
                ]:
                    raise InputError(
                        f"The {self.kind} {key!r} must share the knob {clash[0]!r} of {entry.key!r} as it is, because "
                        f"there is one slider for both: give it another key, or make it the same."
                    )
            self._entries[key] = Entry(key, label, help, build, knobs, examples or (key,), suggested or {})
            if replaced:
                # Not `warnings.warn`, which warns only once, while a cell may run many times.
                log.warning("The %s %r replaces the one that was registered before.", self.kind, key)
            return build

        return register

    def find(self, name: str) -> tuple[Entry, str]:
        """Split `key:argument` and return the entry and the argument ("" when there is none).

        Raises UnknownNameError, which lists the known names.
        """
        if not isinstance(name, str):
            raise UnknownNameError(f"There is no {self.kind} {quote(name)}: give its name as text.")
        key, _, argument = name.partition(":")
        if key not in self._entries:
            near = difflib.get_close_matches(key, self._entries, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownNameError(
                f"There is no {self.kind} {quote(name, 40)}.{hint} Known: {', '.join(self.examples())}."
            )
        return self._entries[key], argument

    def check_worker(self, name: str) -> None:
        """Raise InputError for a person's own entry, which the worker process of a page does not have."""
        entry, _ = self.find(name)
        if not entry.shipped:
            raise InputError(
                f"This page's worker does not know the {self.kind} {entry.key!r}, which is registered in this process "
                "only: train with it in a cell of the notebook, by kdlab.distill, or choose "
                "another."
            )

    def examples(self) -> list[str]:
        """Return full names to offer in a list."""
        return [name for entry in self._entries.values() for name in entry.examples]

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


DATASETS = Registry("data set")
EXPERIMENTS = Registry("experiment")
MODELS = Registry("model")
LOSSES = Registry("loss")
AUGMENTATIONS = Registry("augmentation")
TEACHER_VIEWS = Registry("way of teaching")
