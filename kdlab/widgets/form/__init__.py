"""Fields for the choices on a page, in one widget."""

from kdlab.widgets.form.fields import ChoiceField, EntryField, Field, NameField, NumberField, SwitchField, TextField
from kdlab.widgets.form.widget import Form

__all__ = ["ChoiceField", "EntryField", "Field", "Form", "NameField", "NumberField", "SwitchField", "TextField"]
