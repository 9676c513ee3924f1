"""A form sets its state and shows it, whoever changed it; what cannot be used is kept out, whatever a browser sends."""

import json
from typing import Any

import pytest
from forms import enter, enter_invalid, send
from traitlets import Float, HasTraits, Unicode

from kdlab import augmentations, models  # noqa: F401  (they fill the registries)
from kdlab.registry import MODELS, TEACHER_VIEWS, InputError, Knob
from kdlab.widgets.form import ChoiceField, EntryField, Form, NameField, NumberField, SwitchField, TextField

EPOCHS = Knob("epochs", "Epochs", 20, 1, 100_000, "passes", kind=int)
RATE = Knob("rate", "Learning rate", 1e-3, 1e-6, 10.0, "Adam's")
SWITCH = Knob("switch", "All of them", 1, 0, 1, "whether", kind=bool)


class State(HasTraits):
    teacher = Unicode("mlp:32x1")
    teaching = Unicode("fixed")
    note = Unicode("")
    choice = Unicode("")
    epochs = Float(20.0)
    rate = Float(1e-3)
    switch = Float(1.0)


@pytest.fixture
def form() -> Form:
    return Form(
        State(),
        {
            "teacher": NameField(MODELS, "Teacher", "mlp:400x3"),
            "teaching": EntryField(TEACHER_VIEWS, "Teaching"),
            "note": TextField("Note"),
            "choice": ChoiceField("Of", ["x", "y"]),
            "epochs": NumberField(EPOCHS),
            "rate": NumberField(RATE),
            "switch": SwitchField(SWITCH),
        },
    )


def test_what_a_person_sets_reaches_the_state_and_the_form(form: Form) -> None:
    entered = {
        "teacher": " mlp:8x1 ",
        "teaching": "independent",
        "note": " a, b ",
        "choice": "x",
        "epochs": 55_000,
        "rate": 0.01,
        "switch": 0,
    }
    for key, value in entered.items():
        enter(form, key, value)
    set_ = {key: getattr(form._state, key) for key in entered}
    assert set_ == entered | {"teacher": "mlp:8x1"}  # a text is kept as it was typed, a name has no spaces around it
    assert form.values == set_


def test_what_python_sets_is_shown(form: Form) -> None:
    form._state.teacher, form._state.epochs = "cnn:width=64", 7
    assert (form.values["teacher"], form.values["epochs"]) == ("cnn:width=64", 7)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 12.5),
        ("epochs", 0),
        ("epochs", -5),
        ("epochs", 100_001),
        ("epochs", "5"),
        ("epochs", None),
        ("epochs", True),
        ("epochs", [5]),
        ("epochs", float("nan")),
        ("epochs", float("inf")),
        ("rate", 0),
        ("rate", "0,01"),
        ("rate", 10.5),
        ("rate", {}),
        ("switch", 0.5),
        ("switch", "yes"),
        ("teacher", 5),
        ("teacher", None),
        ("teaching", "nonsense"),
        ("teaching", 5),
        ("note", ["a"]),
        ("choice", "z"),
        ("choice", 1),
        ("other", 1),
        (5, 5),
        (None, None),
    ],
)
def test_a_value_that_cannot_be_used_changes_nothing(form: Form, key: Any, value: object) -> None:
    before = dict(form.values)
    enter(form, key, value)
    assert form.values == before == {key: getattr(form._state, key) for key in before}
    form.check()


@pytest.mark.parametrize("message", [None, 5, {}, [], {"type": "invalid", "key": "epochs", "text": 5}, {"type": "x"}])
def test_any_other_message_changes_nothing(form: Form, message: object) -> None:
    send(form, message)
    assert form.invalid == {}


def test_while_a_text_cannot_be_used_the_form_says_so_and_keeps_the_value(form: Form) -> None:
    for typed, quoted in (("12.5", "12.5"), ("", "nothing"), ("9" * 40, f"{'9' * 30}…")):
        enter_invalid(form, "epochs", typed)
        assert (form._state.epochs, form.invalid) == (20, {"epochs": typed})
        with pytest.raises(InputError) as caught:
            form.check()
        assert str(caught.value) == f"Epochs must be a whole number from 1 to 100,000, not {quoted}."
    enter(form, "epochs", 20)  # the value that it has
    form.check()


def test_what_python_sets_replaces_a_text_that_cannot_be_used(form: Form) -> None:
    enter_invalid(form, "rate", "1,2,3")
    with pytest.raises(InputError, match=r"^Learning rate must be a number from 1e-06 to 10, not 1,2,3\.$"):
        form.check()
    form._state.rate = 0.5
    form.check()
    enter_invalid(form, "epochs", "x")
    form.clear()
    form.check()


def test_a_field_that_is_hidden_or_disabled_holds_up_nothing(form: Form) -> None:
    for attribute in ("hidden", "disabled"):
        enter_invalid(form, "epochs", "x")
        form.change("epochs", **{attribute: True})
        form.check()
        assert form.descriptions["epochs"][attribute] is True


def test_the_browser_is_answered_after_each_message(form: Form) -> None:
    sent: list[object] = []
    form.send = lambda content: sent.append((content, form.values["epochs"]))  # type: ignore[method-assign]
    enter(form, "epochs", 5)
    enter(form, "epochs", 0)
    enter_invalid(form, "epochs", "x")
    assert sent == [({"type": "taken", "key": "epochs"}, 5)] * 3


def test_fields_are_described_for_the_browser(form: Form) -> None:
    described = json.loads(json.dumps(form.descriptions))
    assert described["teacher"]["options"] == [name for name in MODELS.examples() if not name.endswith("PATH")]
    assert described["teacher"]["any_name"] is True
    assert described["teacher"]["helps"]["cnn"] == MODELS["cnn"].help
    assert dict(described["teaching"]["options"]) == {key: entry.label for key, entry in TEACHER_VIEWS.items()}
    assert described["teaching"]["meanings"]["fixed"] == "The teacher always sees the image as it is."
    assert (described["epochs"]["minimum"], described["epochs"]["maximum"], described["epochs"]["help"]) == (
        1,
        100_000,
        "passes",
    )
    form.offer("choice", ["z"])
    enter(form, "choice", "x")
    assert (form._state.choice, form.descriptions["choice"]["options"]) == ("", ["z"])
    enter(form, "choice", "z")
    assert form._state.choice == "z"
    only = NameField(MODELS, "Teacher", "", ["cnn", "mlp:32x1"]).description()
    assert (only["options"], only["any_name"]) == (["cnn", "mlp:32x1"], False)
