"""Pickers show what is chosen, whoever chose it."""

import pytest

from kdlab.core import models  # noqa: F401  (fills the registry)
from kdlab.registry import MODELS
from kdlab.widgets.pickers import OTHER, NamePicker


@pytest.fixture
def picker() -> NamePicker:
    return NamePicker(MODELS, "Teacher", "mlp:32x1", "mlp:400x3")


def test_a_listed_name_is_shown_in_the_list(picker: NamePicker) -> None:
    choice, text = picker.children
    assert (choice.value, text.layout.display) == ("mlp:32x1", "none")
    picker.value = "resnet18"
    assert choice.value == "resnet18"


def test_any_other_name_that_is_set_is_kept_and_shown_in_the_field(picker: NamePicker) -> None:
    choice, text = picker.children
    for name in ("cnn:width=64", "cnn:width=8"):
        picker.value = name
        assert (picker.value, choice.value, text.value, text.layout.display) == (name, OTHER, name, None)
    picker.value = "mlp:16x1"
    assert (picker.value, choice.value, text.layout.display) == ("mlp:16x1", "mlp:16x1", "none")


def test_what_was_chosen_before_is_not_run_unseen(picker: NamePicker) -> None:
    choice, text = picker.children
    choice.value = OTHER
    assert (picker.value, text.layout.display) == ("", None)
    text.value = " mlp:8x1 "
    assert picker.value == "mlp:8x1"
    text.value = ""
    assert picker.value == ""
