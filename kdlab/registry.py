"""Named entries with their knobs: one list feeds the pages, the command line, the checks and the tests.

A data set, a model, an objective … is one entry, made by decorating the function that builds it:

    @OBJECTIVES.add("hinton", label="Hinton 2015", help="...", knobs=(...))
    def hinton(...): ...

The modules that hold the entries (`kdlab.datasets`, `.models`, `.objectives`, `.augmentation`) import torch inside
their functions only, so that a page can list them without paying for torch.
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
    "AUGMENTATIONS", "DATASETS", "EXPERIMENTS", "MODELS", "OBJECTIVES", "TEACHINGS",
    "Entry", "InputError", "InputWarning", "Knob", "Registry", "UnknownNameError", "knob_field", "knob_fields", "quote",
    "read_options",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger("kdlab")


class InputError(ValueError):
    """Something a person gave cannot be used; the message is one sentence that says what to do."""


class InputWarning(UserWarning):
    """Something a person gave can be used, but they should know a thing about it; the message is one sentence."""


class UnknownNameError(InputError):
    """A name that no entry bears; the message lists the known ones."""


def quote(value: object, most: int = 50) -> str:
    """Return what somebody gave as it can stand in a sentence: one short line, nothing in it hides or turns text."""
    text = " ".join(repr(value[:most] if isinstance(value, str) else value).split())
    cut = len(text) > most or (isinstance(value, str) and len(value) > most)
    return f"{text[: most - 1]}…" if cut else text


@dataclass(frozen=True, slots=True)
class Knob:
    """A number that people may turn.

    `kind` is the type of its value; `scale` says how a slider should move through the range; `symbol` stands for it in
    figures.
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
            what = {int: "a whole number", float: "a number", bool: "yes or no (1 or 0)"}[self.kind]
            limits = "" if self.kind is bool else f" from {self.minimum:g} to {self.maximum:g}"
            raise InputError(f"{self.label} ({self.key}) must be {what}{limits}, not {quote(value)}.")
        return number  # type: ignore[no-any-return]


def knob_field(key: str, label: str, default: float, minimum: float, maximum: float, help: str, **rest: Any) -> Any:
    """Return a dataclass field that is a knob: a whole number unless `kind` says otherwise."""
    knob = Knob(key, label, default, minimum, maximum, help, **({"kind": int} | rest))
    return field(default=default, metadata={"knob": knob})


def knob_fields(owner: type) -> dict[str, Knob]:
    """Return the knobs among the fields of a dataclass, by key."""
    return {item.name: item.metadata["knob"] for item in fields(owner) if "knob" in item.metadata}


def read_options(owner: str, argument: str, knobs: tuple[Knob, ...]) -> dict[str, float]:
    """Return the knobs' values as "a=1:b=2" gives them, the others at their defaults; `owner` is named in complaints.

    Raises InputError for an option that is unknown or outside its range.
    """
    known = {knob.key: knob for knob in knobs}
    values = {knob.key: knob.default for knob in knobs}
    for option in filter(None, argument.split(":")):
        key, equals, value = option.partition("=")
        if key not in known or not equals:
            names = ", ".join(f"{key}=…" for key in known) or "none"
            raise InputError(f"The {owner} does not understand {quote(option, 30)}; options it knows: {names}.")
        try:
            values[key] = known[key].check(known[key].kind(value))
        except ValueError as error:
            knob = known[key]
            limits = f"{knob.help}, from {knob.minimum:g} to {knob.maximum:g}"
            raise InputError(f"The {owner} cannot take {quote(option, 30)}: {limits}.") from error
    return values


@dataclass(frozen=True, slots=True)
class Entry:
    """One named thing: `build` makes it, `examples` are full names to offer in a list.

    `suggested`: of a data set, the fields of a spec that suit it. `stamp` tells it from another of the same key.
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
        """Whether it comes with kdlab, and not from a person's notebook or module."""
        build: Any = self.build
        while isinstance(build, partial):
            build = build.func
        return str(build.__module__).partition(".")[0] == __name__.partition(".")[0]


class Registry(Mapping[str, Entry]):
    """Entries of one kind by key, in the order in which they were added."""

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
        """Register the decorated function as the entry `key`; one of a person's own replaces the one before.

        Entries that share a knob's key share one `Knob`, because there is one slider and one option for it. Raises
        InputError for the key of an entry that comes with kdlab, and for another knob of a key that is taken.
        """

        def register(build: F) -> F:
            if ":" in key or not key:
                raise InputError(f"The {self.kind} {key!r} needs a name without a colon: give it another.")
            before = self._entries.get(key)
            if before and before.shipped:
                raise InputError(f"The {self.kind} {key!r} comes with kdlab and stays: give yours another name.")
            mine = {knob.key: knob for knob in knobs}
            for entry in self._entries.values():
                if clash := [
                    knob.key for knob in entry.knobs if mine.get(knob.key, knob) != knob and entry is not before
                ]:
                    raise InputError(
                        f"The {self.kind} {key!r} must share the knob {clash[0]!r} of {entry.key!r} as it is, because "
                        f"there is one slider for both: give it another key, or make it the same."
                    )
            self._entries[key] = Entry(key, label, help, build, knobs, examples or (key,), suggested or {})
            if before:
                # Not `warnings.warn`, which says a thing once, while a cell is run again and again.
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
        """Raise InputError for an entry that the process of a page's worker does not have: one of a person's own."""
        entry, _ = self.find(name)
        if not entry.shipped:
            raise InputError(
                f"This page's worker does not know the {self.kind} {entry.key!r}, which is registered in this process "
                "only: train with it in a cell of the notebook, by kdlab.distillation.distill.distill, or choose "
                "another."
            )

    def examples(self) -> list[str]:
        """Return full names that can be offered in a list."""
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
OBJECTIVES = Registry("objective")
AUGMENTATIONS = Registry("augmentation")
TEACHINGS = Registry("way of teaching")
