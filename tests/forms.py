"""What a browser sends when a person fills in a form."""

from kdlab.widgets.form import Form

__all__ = ["enter", "enter_invalid", "send"]


def enter(form: Form, key: str, value: object) -> None:
    """Set a field as a person does."""
    send(form, {"type": "value", "key": key, "value": value})


def enter_invalid(form: Form, key: str, text: object) -> None:
    """Type what the browser cannot read as this field's number."""
    send(form, {"type": "invalid", "key": key, "text": text})


def send(form: Form, message: object) -> None:
    """Send any message, as a program may."""
    form._handle_msg({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})
