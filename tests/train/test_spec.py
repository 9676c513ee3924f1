"""What a run's spec accepts, and how it refuses the rest."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

import pytest

from kdlab.registry import DATASETS, InputError, UnknownNameError
from kdlab.train.spec import Spec, check_knobs, knob_defaults

DIFFERENT = Spec(
    dataset="mnist", teacher="cnn", student="module:Net", knobs={"temperature": 2.5, "t_squared": 0},
    augmentation="shift:pixels=1", teacher_augmentation="affine", teaching="fixed", precision="float32", batch_seed=3,
    teacher_weights="0123456789ab", schedule="constant", transfer_size=100, epochs=3, teacher_epochs=4, batch_size=7,
    learning_rate=0.25, seed=9, outputs="probabilities",
)  # fmt: skip


@pytest.mark.process
def test_making_a_spec_does_not_import_torch() -> None:
    code = "import sys; from kdlab.train.spec import Spec; Spec(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("spec", [Spec(), DIFFERENT], ids=["default", "different"])
def test_json_brings_the_same_spec_back(spec: Spec) -> None:
    assert Spec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["learning_rate"] == spec.learning_rate


def test_the_two_specs_of_these_tests_differ_in_every_field_but_the_loss() -> None:
    default = dataclasses.asdict(Spec())
    same = {name for name, value in dataclasses.asdict(DIFFERENT).items() if value == default[name]}
    assert same == {"loss"}


def test_knobs_that_are_left_out_have_their_defaults() -> None:
    assert Spec().knobs == knob_defaults("hinton")
    assert Spec(knobs={"temperature": 2}).knobs == knob_defaults("hinton") | {"temperature": 2.0}


def test_replace_changes_a_copy_and_checks_it() -> None:
    spec = Spec()
    assert (spec.replace(epochs=7).epochs, spec.epochs) == (7, Spec().epochs)
    with pytest.raises(InputError):
        spec.replace(epochs=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.epochs = 7  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"epochs": 0}, "Epochs .* whole number from 1 .* not 0"),
        ({"epochs": 2.5}, "Epochs .* whole number"),
        ({"epochs": "many"}, "Epochs .* not 'many'"),
        ({"epochs": None}, "Epochs .* not None"),
        ({"teacher_epochs": -1}, "Teacher epochs"),
        ({"teacher_weights": "teacher.safetensors"}, "digest of 12 letters, not 'teacher.safetensors'"),
        ({"teacher_weights": None}, "teacher_weights of a spec must be text"),
        ({"batch_size": 0}, "Batch size"),
        ({"transfer_size": -1}, "Transfer set"),
        ({"learning_rate": 0}, "Learning rate"),
        ({"learning_rate": 11}, "Learning rate .* to 10"),
        ({"learning_rate": float("nan")}, "Learning rate .* not nan"),
        ({"learning_rate": float("inf")}, "Learning rate"),
        ({"seed": -1}, "Seed"),
        ({"seed": 2**31}, "Seed"),
        ({"knobs": {"temperature": 0}}, "Temperature .* from 0.5 to 50"),
        ({"knobs": {"soft_weight": "x"}}, "Soft weight"),
        ({"knobs": {"t_squared": 2}}, "yes or no"),
        ({"knobs": {"warmth": 1}}, "no knob 'warmth'; it has temperature, soft_weight"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_in_one_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        Spec(**fields)
    message = str(caught.value)
    assert message.endswith(".")
    assert ". " not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"dataset": "digit"}, "no data set 'digit'. Did you mean 'digits'"),
        ({"teacher": "nlp:3x3"}, "no model 'nlp:3x3'. Did you mean 'mlp'"),
        ({"student": "nobody"}, "no model 'nobody'. Known: mlp:16x1"),
        ({"loss": "hintn"}, "no loss 'hintn'. Did you mean 'hinton'"),
    ],
    ids=str,
)
def test_an_unknown_name_is_refused_with_the_known_ones(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UnknownNameError, match=says):
        Spec(**fields)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "3", "null", '{"epoch": 3}', '{"dataset": 5}', '{"student": null}', '{"knobs": 3}']
)
def test_text_that_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Spec.from_json(text)


def test_suggested_fills_in_only_what_is_not_said() -> None:
    spec = Spec.suggested("digits", epochs=3)
    assert (spec.dataset, spec.epochs) == ("digits", 3)
    assert spec.batch_size == DATASETS["digits"].suggested["batch_size"] != Spec().batch_size


@pytest.mark.parametrize("dataset", [name for entry in DATASETS.values() for name in entry.examples])
def test_what_a_data_set_suggests_is_allowed(dataset: str) -> None:
    assert Spec.suggested(dataset).dataset == dataset


def test_run_knobs_are_the_fields_that_are_numbers() -> None:
    knobs = Spec.run_knobs()
    assert list(knobs) == ["transfer_size", "epochs", "teacher_epochs", "batch_size", "learning_rate", "seed"]
    for key, knob in knobs.items():
        assert knob.key == key
        assert knob.default == getattr(Spec(), key)


def test_check_knobs_returns_the_knobs_types() -> None:
    checked = check_knobs("hinton", {"temperature": 3, "t_squared": 1.0})
    assert checked == {"temperature": 3.0, "t_squared": True}
    assert [type(value) for value in checked.values()] == [float, bool]
