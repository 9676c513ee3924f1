"""A kept or shared teacher is one of the same recipe, and options that would do nothing are refused."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kdlab.datasets import load
from kdlab.distillation import teacher_training
from kdlab.distillation.distill import distill, distill_events, fit
from kdlab.distillation.many import distill_many, fit_many
from kdlab.distillation.options import FIT_OPTIONS
from kdlab.registry import AUGMENTATIONS, DATASETS, MODELS, Entry, InputError
from kdlab.train.events import Event, Step
from kdlab.train.spec import STUDENT_ONLY, Spec

SPEC = Spec(teacher="mlp:16x1:dropout=0.2", student="mlp:8x1", epochs=1, teacher_epochs=2, batch_size=128)
SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 128}
# Each field of a spec with another value.
OTHER: dict[str, Any] = {
    "dataset": "other-digits",
    "teacher": "mlp:17x1",
    "student": "mlp:9x1",
    "loss": "logit-matching",
    "knobs": {"temperature": 2.0},
    "augmentation": "shift:pixels=1",
    "teacher_augmentation": "shift:pixels=1",
    "teaching": "fixed",
    "precision": "bfloat16",
    "schedule": "constant",
    "batch_seed": 7,
    "teacher_weights": "",
    "outputs": "",
    "transfer_size": 500,
    "epochs": 2,
    "teacher_epochs": 3,
    "batch_size": 64,
    "learning_rate": 0.01,
    "seed": 1,
}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_training, "_last_teacher", None)
    entry = DATASETS["digits"]
    monkeypatch.setitem(DATASETS._entries, "other-digits", dataclasses.replace(entry, key="other-digits"))


def steps(spec: Spec, fresh: bool = False) -> list[Event]:
    """The teacher's steps in a run, which may find the teacher of the last one."""
    if fresh:
        teacher_training._last_teacher = None
    return [event for event in distill_events(spec) if isinstance(event, Step) and event.phase == "teacher"]


def test_each_field_of_a_spec_has_another_value_here() -> None:
    assert OTHER.keys() == {item.name for item in dataclasses.fields(Spec)}
    assert OTHER.keys() > STUDENT_ONLY
    # These two are of a teacher that was trained elsewhere, which is never kept.
    assert {name for name, value in OTHER.items() if value == getattr(SPEC, name)} == {"teacher_weights", "outputs"}


@pytest.mark.parametrize("field", [name for name in OTHER if name not in ("teacher_weights", "outputs")])
def test_a_kept_teacher_serves_a_spec_that_differs_in_a_students_field_alone(field: str) -> None:
    first = steps(SPEC)
    other = SPEC.replace(**{field: OTHER[field]} | ({"knobs": {}} if field == "loss" else {}))
    kept = steps(other)
    assert kept == steps(other, fresh=True)
    if field in STUDENT_ONLY:
        assert kept == first
    elif field != "batch_seed" and field != "dataset":  # the same data under another name
        assert kept != first


def replace(monkeypatch: pytest.MonkeyPatch, registry: Any, key: str, build: Any) -> None:
    monkeypatch.setitem(registry._entries, key, Entry(key, key, "", build))


def network(width: int) -> Any:
    """A model's builder."""
    return lambda argument, shape, classes: nn.Sequential(
        nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, classes)
    )


def moved(turned: bool) -> Any:
    """An augmentation's builder: the images as they are, or mirrored."""
    return lambda argument, images: AUGMENTATIONS["none"].build("", images.flip(3) if turned else images)


@pytest.mark.parametrize(
    ("registry", "field", "builds"),
    [
        (MODELS, "teacher", (network(4), network(5))),
        (AUGMENTATIONS, "teacher_augmentation", (moved(False), moved(True))),
        (AUGMENTATIONS, "augmentation", (moved(False), moved(True))),
    ],
    ids=["model", "augmentation", "augmentation that the kept teacher has answered"],
)
def test_a_definition_that_is_registered_anew_counts(
    registry: Any, field: str, builds: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = []
    for build in builds:
        replace(monkeypatch, registry, "mine", build)
        spec = SPEC.replace(**{field: "mine"})
        last.append([event for event in distill_events(spec) if isinstance(event, Step)])
    teacher_training._last_teacher = None
    assert last[0] != last[1]
    assert last[1] == [event for event in distill_events(spec) if isinstance(event, Step)]


@pytest.mark.parametrize(
    "field", [name for name in OTHER if name not in STUDENT_ONLY | {"dataset", "teacher", "seed", "batch_seed"}]
)
def test_students_of_several_recipes_have_a_teacher_each(field: str) -> None:
    values = [getattr(SPEC, field), OTHER[field]]
    options: dict[str, Any] = {**SHORT, "teacher_epochs": 2, field: values}
    runs = distill_many("digits", SPEC.teacher, "mlp:8x1", **options)
    for run, value in zip(runs, values, strict=True):
        alone = distill("digits", SPEC.teacher, "mlp:8x1", **options | {field: value})
        assert run.result["teacher"] == alone.result["teacher"]
        np.testing.assert_allclose(run.history.logits["teacher"], alone.history.logits["teacher"], atol=1e-5)
    assert runs[0].teacher is not runs[1].teacher


def test_students_of_several_seeds_share_the_first_ones_teacher() -> None:
    first, second = distill_many("digits", "mlp:16x1", "mlp:8x1", seed=[3, 4], teacher_epochs=1, **SHORT)
    assert first.teacher is second.teacher
    alone = distill("digits", "mlp:16x1", "mlp:8x1", seed=3, teacher_epochs=1, **SHORT)
    assert first.result["teacher"] == alone.result["teacher"]


# --- options that do nothing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*sorted(STUDENT_ONLY), "label_smoothing", "teacher_epochs", "dataset_size"])
def test_fitting_refuses_what_it_would_not_use(name: str) -> None:
    if name == "epochs":
        name = "teacher_epochs"
    if name == "augmentation":
        name = "teacher_augmentation"
    for fitting in (fit, fit_many):
        with pytest.raises(InputError, match=f"has no option '{name}'"):
            fitting("digits", "mlp:8x1", **{name: 1})


def test_fitting_uses_every_option_that_it_takes() -> None:
    usual = fit("digits", "mlp:16x1", **SHORT)
    for name in FIT_OPTIONS:
        other = fit("digits", "mlp:16x1", **SHORT | {name: OTHER[name]})
        same = all(map(torch.equal, usual.parameters(), other.parameters()))
        assert not same, name


@pytest.mark.parametrize("run", [distill, distill_many])
def test_knobs_are_options_of_their_own(run: Any) -> None:
    with pytest.raises(InputError, match="say temperature=4, not knobs="):
        run("digits", "mlp:8x1", "mlp:8x1", knobs={"temperature": 2})
    with pytest.raises(InputError, match="no knob 'label_smoothing'"):
        run("digits", "mlp:8x1", "mlp:8x1", label_smoothing=0.1)


GIVEN: list[tuple[Any, str]] = [
    (np.zeros((3, 1, 8, 8)), "ndarray"),
    ([1, 2], "list"),
    (torch.zeros(3), "Tensor"),
    (None, "NoneType"),
]


@pytest.mark.parametrize(("given", "kind"), [*GIVEN, (load, "function")], ids=lambda value: str(type(value).__name__))
def test_data_and_networks_of_other_kinds_are_refused_with_a_sentence(given: Any, kind: str) -> None:
    for run in (
        lambda: distill(given, "mlp:8x1", "mlp:8x1"),
        lambda: distill_many(given, "mlp:8x1", "mlp:8x1"),
        lambda: fit(given, "mlp:8x1"),
        lambda: fit_many(given, "mlp:8x1"),
    ):
        with pytest.raises(InputError, match=rf"data set is given by its name, .* not as an? {kind}: keep images"):
            run()
    for run in (
        lambda: distill("digits", given, "mlp:8x1"),
        lambda: distill("digits", "mlp:8x1", given),
        lambda: distill_many("digits", given, "mlp:8x1"),
        lambda: fit("digits", given),
    ):
        with pytest.raises(InputError, match=rf"name of a model as text or a torch\.nn\.Module, not an? {kind}"):
            run()


def test_a_data_set_that_was_loaded_and_a_class_of_networks_are_refused_with_a_sentence() -> None:
    from sklearn.ensemble import RandomForestClassifier

    with pytest.raises(InputError, match="not as a Dataset: keep images"):
        fit(load("digits"), "mlp:8x1")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not a RandomForestClassifier"):
        distill("digits", RandomForestClassifier(), "mlp:8x1")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Linear is a class, not a network: make one, as Linear\(\)"):
        distill("digits", nn.Linear, "mlp:8x1")  # type: ignore[arg-type]
    for many in (
        lambda: distill_many("digits", "mlp:8x1", nn.Linear(1, 1)),
        lambda: fit_many("digits", nn.Linear(1, 1)),
    ):  # type: ignore[arg-type]
        with pytest.raises(InputError, match="Many networks are built by their names, and Linear is a module"):
            many()
