"""Pickers show what is chosen, whoever chose it."""

import pytest

from kdlab import augmentations, models  # noqa: F401  (they fill the registries)
from kdlab.registry import MODELS, TEACHER_VIEWS
from kdlab.widgets.pickers import OTHER, EntryPicker, NamePicker


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


def test_where_some_names_are_allowed_only_these_are_offered() -> None:
    picker = NamePicker(MODELS, "Teacher", "resnet18", "mlp:400x3", ["cnn", "mlp:32x1"])
    choice, text = picker.children
    assert choice.options == ("cnn", "mlp:32x1", "resnet18")  # for as long as it is chosen
    assert (picker.value, choice.value, text.layout.display) == ("resnet18", "resnet18", "none")
    choice.value = "mlp:32x1"
    assert picker.value == "mlp:32x1"
    assert choice.options == ("cnn", "mlp:32x1")
    picker.value = "cnn:width=4"
    assert (picker.value, choice.value) == ("cnn:width=4", "cnn:width=4")


def test_what_was_chosen_before_is_not_run_unseen(picker: NamePicker) -> None:
    choice, text = picker.children
    choice.value = OTHER
    assert (picker.value, text.layout.display) == ("", None)
    text.value = " mlp:8x1 "
    assert picker.value == "mlp:8x1"
    text.value = ""
    assert picker.value == ""


def test_a_name_is_explained_as_far_as_it_is_known(picker: NamePicker) -> None:
    choice, _ = picker.children
    for name, key in (("cnn:width=3", "cnn"), ("mlp:32x1", "mlp"), ("resnet18", "resnet18")):
        picker.value = name
        assert choice.tooltip == MODELS[key].help
    picker.value = "nonsense"
    assert choice.tooltip == ""


def test_an_entry_is_chosen_by_its_label_and_explained() -> None:
    picker = EntryPicker(TEACHER_VIEWS, "Teaching", "fixed")
    choice, meaning = picker.children
    assert (choice.label, meaning.value) == ("Fixed", "The teacher always sees the image as it is.")
    choice.label = "Independent"
    assert (picker.value, meaning.value) == ("independent", "Teacher and student each see a view of their own.")
    picker.value = "consistent"
    assert (choice.label, meaning.value) == ("Consistent", "Teacher and student see the same view.")
