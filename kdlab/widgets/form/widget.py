"""A form: the choices on a page as labelled fields, in one widget."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from traitlets import Bunch, Dict, HasTraits

from kdlab.registry import InputError
from kdlab.widgets.element import Element
from kdlab.widgets.esm import code
from kdlab.widgets.form.fields import ChoiceField, Field

__all__ = ["Form"]

FOLDER = Path(__file__).parent
MAX_LETTERS = 1000  # of a text that cannot be used


class Form(Element):
    """Draws `fields`, by the names of the traits of `state` that they show and set.

    `values`: what the fields show. `invalid`: typed texts that cannot be used; their values stay the last good ones.
    """

    _code = code(FOLDER / "form.js")
    descriptions = Dict().tag(sync=True)
    # Only Python sets these two. The browser sends messages instead: a trait's change would wait for the answer to the
    # one before, and a press on Start would overtake it.
    values = Dict().tag(sync=True)
    invalid = Dict().tag(sync=True)

    def __init__(self, state: HasTraits, fields: Mapping[str, Field]) -> None:
        self._state, self._fields = state, dict(fields)
        descriptions = {key: field.description() for key, field in self._fields.items()}
        values = {key: getattr(state, key) for key in self._fields}
        super().__init__(descriptions=descriptions, values=values)
        state.observe(self._show, list(self._fields))
        self.on_msg(self._on_message)

    def change(self, key: str, **attributes: Any) -> None:
        """Change attributes of a field's description, such as `hidden`, `disabled` and `help`."""
        if attributes.get("hidden") or attributes.get("disabled"):
            self._accept(key)
        self.descriptions = {**self.descriptions, key: {**self.descriptions[key], **attributes}}

    def offer(self, key: str, options: Sequence[str]) -> None:
        """Offer other texts in a list."""
        self._fields[key] = ChoiceField(self._fields[key].label, tuple(options))
        self.change(key, options=list(options))

    def check(self) -> None:
        """Raise InputError while a field shows a text that cannot be used."""
        for key in self._fields.keys() & self.invalid.keys():
            raise InputError(self._fields[key].refusal(str(self.invalid[key])))

    def clear(self) -> None:
        """Show the values again in place of texts that cannot be used."""
        self.invalid = {}

    def _accept(self, key: str) -> None:
        self.invalid = {name: text for name, text in self.invalid.items() if name != key}

    def _show(self, change: Bunch) -> None:
        self._accept(change.name)
        self.values = {**self.values, change.name: change.new}

    def _on_message(self, _: Any, message: Any, buffers: list[Any]) -> None:
        match message:
            case {"type": "value", "key": str(key), "value": str() | int() | float() as value} if key in self._fields:
                self._set(key, value)
            case {"type": "invalid", "key": str(key), "text": str(text)} if key in self._fields:
                self.invalid = {**self.invalid, key: text[:MAX_LETTERS]}
            case _:
                return
        # The browser shows no older value while a newer one is on its way.
        self.send({"type": "taken", "key": key})

    def _set(self, key: str, value: object) -> None:
        if isinstance(value, str) and len(value) > MAX_LETTERS:
            return
        try:
            usable = self._fields[key].check(value)
        except InputError:
            return  # no form in a browser sends such a value
        self._accept(key)
        setattr(self._state, key, usable)
