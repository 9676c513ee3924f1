"""The kinds of fields in a form: what the browser gets to draw them, and the check of a value that it sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kdlab.registry import InputError, Knob, Registry, quote

__all__ = ["ChoiceField", "EntryField", "Field", "NameField", "NumberField", "SwitchField", "TextField"]


class Field:
    """A field of a form; `kind` names how the browser draws it."""

    kind: ClassVar[str]
    label: str

    def description(self) -> dict[str, Any]:
        """Return what the browser needs to draw the field."""
        return {"kind": self.kind, "label": self.label, "help": "", "hidden": False, "disabled": False}

    def check(self, value: object) -> Any:
        """Return a value that the browser sent; raises InputError when it cannot be used."""
        if not isinstance(value, str):
            raise InputError(f"{self.label} must be text, not {quote(value)}.")
        return value.strip()

    def refusal(self, text: str) -> str:
        """Return the sentence about a typed text that cannot be used."""
        return f"{self.label} cannot be {quote(text)}."


@dataclass(frozen=True)
class TextField(Field):
    """A line of text."""

    label: str
    kind = "text"

    def check(self, value: object) -> str:
        """Return the text as it was typed; raises InputError for anything else."""
        super().check(value)
        return str(value)


@dataclass(frozen=True)
class NameField(Field):
    """A list of a registry's example names, and a text field for any other name.

    `hint`: an example of a typed name. `only`: the names to offer instead of all; then there is no text field.
    """

    registry: Registry
    label: str
    hint: str
    only: Sequence[str] = ()
    kind = "name"

    def description(self) -> dict[str, Any]:
        """Return the offered names, the hint, and the help texts by the first part of a name."""
        # folder:PATH is a placeholder and no valid name.
        offered = self.only or [name for name in self.registry.examples() if not name.endswith("PATH")]
        helps = {key: entry.help for key, entry in self.registry.items()}
        return {
            **super().description(),
            "options": list(offered),
            "any_name": not self.only,
            "hint": self.hint,
            "helps": helps,
        }


@dataclass(frozen=True)
class EntryField(Field):
    """A list of a registry's entries by label, with the help text of the chosen one; the value is its key."""

    registry: Registry
    label: str
    kind = "entry"

    def description(self) -> dict[str, Any]:
        """Return key, label and meaning of each entry."""
        meanings = {key: f"{entry.help[0].upper()}{entry.help[1:]}." for key, entry in self.registry.items()}
        options = [[key, entry.label] for key, entry in self.registry.items()]
        return {**super().description(), "options": options, "meanings": meanings}

    def check(self, value: object) -> str:
        """Return the key; raises UnknownNameError for any other value."""
        return self.registry.find(value)[0].key  # type: ignore[arg-type]


@dataclass(frozen=True)
class _KnobField(Field):
    """A field for a knob, by the knob's label."""

    knob: Knob

    @property
    def label(self) -> str:  # type: ignore[override]
        """The knob's label."""
        return self.knob.label


@dataclass(frozen=True)
class NumberField(_KnobField):
    """A number within a knob's range."""

    kind = "number"

    @property
    def requirement(self) -> str:
        """The first part of the sentence about a text that cannot be used."""
        kind = "a whole number" if self.knob.kind is int else "a number"
        return f"{self.label} must be {kind} from {_shown(self.knob.minimum)} to {_shown(self.knob.maximum)}"

    def description(self) -> dict[str, Any]:
        """Return range, help and the sentence about other texts."""
        return {
            **super().description(),
            "help": self.knob.help,
            "whole": self.knob.kind is int,
            "minimum": self.knob.minimum,
            "maximum": self.knob.maximum,
            "requirement": self.requirement,
        }

    def check(self, value: object) -> float:
        """Return the number; raises InputError when it is none or lies outside the range."""
        if isinstance(value, bool | str):
            raise InputError(self.refusal(str(value)))
        return self.knob.check(value)

    def refusal(self, text: str) -> str:
        """Return the sentence about a typed text that cannot be used, as the browser shows it."""
        typed = text.strip()
        return f"{self.requirement}, not {typed[:30] + '…' if len(typed) > 30 else typed or 'nothing'}."


@dataclass(frozen=True)
class SwitchField(_KnobField):
    """A knob that is yes or no."""

    kind = "switch"

    def description(self) -> dict[str, Any]:
        """Return label and help of the switch."""
        return {**super().description(), "help": self.knob.help}

    def check(self, value: object) -> bool:
        """Return whether it is on; raises InputError for anything but yes and no."""
        return bool(self.knob.check(value))


@dataclass(frozen=True)
class ChoiceField(Field):
    """A list of texts, of which one is chosen."""

    label: str
    options: Sequence[str] = ()
    kind = "choice"

    def description(self) -> dict[str, Any]:
        """Return the texts."""
        return {**super().description(), "options": list(self.options)}

    def check(self, value: object) -> str:
        """Return the text; raises InputError when it is none of the list."""
        if value not in self.options:
            raise InputError(self.refusal(str(value)))
        return str(value)


def _shown(bound: float) -> str:
    return f"{int(bound):,}" if float(bound).is_integer() else f"{bound:g}"
