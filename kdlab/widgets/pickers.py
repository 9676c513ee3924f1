"""Choosing a named entry and filling in the numbers of a run, with ipywidgets."""

from typing import Any

import ipywidgets
from traitlets import Unicode

from kdlab.registry import Knob, Registry

__all__ = ["NamePicker", "number_field"]

OTHER = "Other …"


class NamePicker(ipywidgets.VBox):
    """A list of a registry's example names, and a text field for any other; `value` is the full name."""

    value = Unicode()

    def __init__(self, registry: Registry, label: str, value: str) -> None:
        # An example with a placeholder in capitals cannot be chosen as it stands; it says how to fill in the field.
        known = [name for name in registry.examples() if not name.endswith("PATH")]
        hint = "; ".join(entry.help for entry in registry.values() if any(char.isupper() for char in entry.help))
        self._list = ipywidgets.Dropdown(options=[*known, OTHER], description=label)
        self._text = ipywidgets.Text(
            placeholder=hint, tooltip=hint, continuous_update=False, description=f"{label} name"
        )
        super().__init__([self._list, self._text])
        self.add_class("kd-field")
        self._known = set(known)
        self._list.observe(self._picked, "value")
        self._text.observe(self._typed, "value")
        self.observe(self._show, "value")
        self.value = value

    def _picked(self, _: Any) -> None:
        if self._list.value == OTHER:
            self._text.layout.display = None
            self.value = self._text.value.strip()  # empty for now: what was chosen before must not run unseen
        else:
            self.value = self._list.value

    def _typed(self, _: Any) -> None:
        if self._text.value.strip():
            self.value = self._text.value.strip()

    def _show(self, _: Any) -> None:
        known = self.value in self._known
        self._list.value = self.value if known else OTHER
        self._text.value = "" if known else self.value
        self._text.layout.display = "none" if known else None


def number_field(knob: Knob, value: float) -> ipywidgets.ValueWidget:
    """Return a field for a number, held within the knob's range."""
    make = ipywidgets.BoundedIntText if knob.kind is int else ipywidgets.BoundedFloatText
    field = make(
        value=value, min=knob.minimum, max=knob.maximum, step=1 if knob.kind is int else 1e-4,
        description=knob.label, description_tooltip=knob.help,
    )  # fmt: skip
    field.add_class("kd-field")
    return field
