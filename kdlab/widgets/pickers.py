"""Fields for registry entries and for the numbers of a run, with ipywidgets."""

from collections.abc import Sequence
from typing import Any

import ipywidgets
from traitlets import Unicode, link

from kdlab.registry import Knob, Registry
from kdlab.widgets.element import Group

__all__ = ["EntryPicker", "NamePicker", "number_field"]

OTHER = "Other …"


class NamePicker(Group):
    """A list of a registry's example names, and a text field for any other; `value` is the full name.

    `hint`: an example of a typed name. `only`: the names to offer instead of all; then there is no text field.
    """

    value = Unicode()

    def __init__(self, registry: Registry, label: str, value: str, hint: str, only: Sequence[str] = ()) -> None:
        self._registry = registry
        # folder:PATH is a placeholder and no valid name.
        offered = only or [name for name in registry.examples() if not name.endswith("PATH")]
        self._options = list(offered) if only else [*offered, OTHER]
        self._list = ipywidgets.Dropdown(options=self._options, description=label)
        self._text = ipywidgets.Text(
            placeholder=hint, tooltip=hint, continuous_update=False, description=f"{label} name"
        )
        super().__init__("kd-field", self._list, self._text)
        self._known = set(offered)
        self._showing = False
        self._list.observe(self._picked, "value")
        self._text.observe(self._typed, "value")
        self.observe(self._show, "value")
        self.value = value

    def _picked(self, _: Any) -> None:
        if self._showing:
            return
        # The text field is empty after a listed name, so that an earlier choice cannot run unnoticed.
        self.value = self._text.value.strip() if self._list.value == OTHER else self._list.value
        self._text.layout.display = None if self._list.value == OTHER else "none"

    def _typed(self, _: Any) -> None:
        if not self._showing:
            self.value = self._text.value.strip()

    def _show(self, _: Any) -> None:
        # A chosen name outside the list is added while it is chosen: the page may open with it.
        is_offered = self.value in self._known or OTHER not in self._options
        self._showing = True  # changes below do not come from a person
        options = list(dict.fromkeys([*self._options, self.value])) if is_offered else self._options
        if options != list(self._list.options):
            self._list.options = options
        self._list.value = self.value if is_offered else OTHER
        self._text.value = "" if is_offered else self.value
        self._text.layout.display = "none" if is_offered else None
        entry = self._registry.get(self.value.partition(":")[0])
        self._list.tooltip = entry.help if entry else ""
        self._showing = False


class EntryPicker(Group):
    """A list of a registry's entries by label, with the help text of the chosen one; `value` is its key."""

    value = Unicode()

    def __init__(self, registry: Registry, label: str, value: str) -> None:
        self._registry = registry
        self._list = ipywidgets.Dropdown(options=[(entry.label, key) for key, entry in registry.items()])
        self._list.description = label
        self._meaning = ipywidgets.Label()
        self._meaning.add_class("kd-meaning")
        super().__init__("kd-field", self._list, self._meaning)
        self.observe(self._show, "value")
        self.value = value
        link((self, "value"), (self._list, "value"))

    def _show(self, _: Any) -> None:
        meaning = self._registry[self.value].help
        self._meaning.value = f"{meaning[0].upper()}{meaning[1:]}."


def number_field(knob: Knob, value: float) -> ipywidgets.ValueWidget:
    """Return a field for a number within the knob's range."""
    make = ipywidgets.BoundedIntText if knob.kind is int else ipywidgets.BoundedFloatText
    field = make(
        value=value, min=knob.minimum, max=knob.maximum, step=1 if knob.kind is int else 1e-4,
        description=knob.label, tooltip=knob.help,
    )  # fmt: skip
    field.add_class("kd-field")
    return field
