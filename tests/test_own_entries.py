"""Entries that a person registers in a notebook: registered again, and unknown to a page's worker."""

import asyncio
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from distil_page import on_page

import kdlab.experiments  # noqa: F401  (fills the registry)
from kdlab.distillation.distill import distill
from kdlab.distillation.job import run_distill_job
from kdlab.losses import Part
from kdlab.pages import Distil, Experiments
from kdlab.registry import (
    AUGMENTATIONS,
    DATASETS,
    EXPERIMENTS,
    LOSSES,
    MODELS,
    TEACHER_VIEWS,
    InputError,
    Knob,
    Registry,
    UnknownNameError,
)
from kdlab.runs import client
from kdlab.runs.protocol import RunContext
from kdlab.train.spec import Spec

REGISTRIES = (AUGMENTATIONS, DATASETS, EXPERIMENTS, MODELS, LOSSES, TEACHER_VIEWS)
CELL = """
from kdlab.losses import Part, cross_entropy
from kdlab.registry import LOSSES, Knob

@LOSSES.add("mine", label="Mine", help="of a notebook", knobs=(Knob("{knob}", "Pull", {value}, 0.0, 9.0, "pull"),))
def mine(student_logits, teacher_logits, labels, *, {knob}):
    return {{"{part}": Part(cross_entropy(student_logits, labels), {knob})}}
"""
SMALL: dict[str, Any] = {"epochs": 1, "teacher_epochs": 1, "batch_size": 512}


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a test registers be gone after it."""
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def run_cell(knob: str = "mine_pull", value: float = 1.0, part: str = "pull") -> None:
    """Do what a notebook does when a cell is run."""
    exec(CELL.format(knob=knob, value=value, part=part), {"__name__": "__main__"})


def add(registry: Registry, key: str, *knobs: Knob) -> Callable[..., Any]:
    def build(*_: Any, **__: Any) -> dict[str, Part]:
        raise AssertionError("it is not built here")

    return registry.add(key, label=key, help="of a notebook", knobs=knobs)(build)


# --- registered again -------------------------------------------------------------------------------------------------


def test_a_cell_that_is_run_again_replaces_its_loss(caplog: pytest.LogCaptureFixture) -> None:
    run_cell()
    add(LOSSES, "later")
    assert not caplog.records
    for value in (2.0, 3.0):  # each time, not only once
        caplog.clear()
        run_cell(value=value, part="other")
        (record,) = caplog.records
        assert (record.levelno, record.name) == (logging.WARNING, "kdlab")
        assert record.getMessage() == "The loss 'mine' replaces the one that was registered before."
    assert list(LOSSES)[-2:] == ["mine", "later"]  # where it was
    run = distill("digits", "mlp:8x1", "mlp:8x1", loss="mine", **SMALL)
    assert run.spec.knobs == {"mine_pull": 3.0}
    assert ("student", "other") in run.history.losses
    assert ("student", "pull") not in run.history.losses


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_kind_of_entry_may_be_replaced_but_a_shipped_one(registry: Registry) -> None:
    for shipped in registry:
        with pytest.raises(
            InputError, match=rf"The {registry.kind} '{shipped}' comes with kdlab and stays: give yours"
        ):
            add(registry, shipped)
    add(registry, "mine")
    assert add(registry, "mine") is registry["mine"].build


def test_a_knob_must_agree_with_other_entries_alone() -> None:
    add(LOSSES, "mine", Knob("pull", "Pull", 1.0, 0.0, 9.0, "pull"))
    add(LOSSES, "mine", Knob("pull", "Pull", 2.0, 0.0, 9.0, "pull"))
    assert LOSSES["mine"].knobs[0].default == 2.0
    with pytest.raises(
        InputError, match=r"'mine' must share the knob 'temperature' of 'hinton'.*: give it another key"
    ):
        add(LOSSES, "mine", Knob("temperature", "T", 1.0, 0.0, 9.0, "soften"))
    assert LOSSES["mine"].knobs[0].key == "pull"  # nothing is lost


def test_a_name_with_an_empty_argument_is_the_name() -> None:
    assert Spec(loss="hinton:").knobs == Spec().knobs
    run = distill("digits", "mlp:8x1", "mlp:8x1", loss="hinton:", teaching="fixed:", **SMALL)
    assert run.result["student"]["errors"] >= 0


# --- a page's worker --------------------------------------------------------------------------------------------------


@pytest.fixture
def mine() -> None:
    run_cell()
    for registry in REGISTRIES:
        if registry not in (LOSSES, EXPERIMENTS):
            add(registry, "mine")


@pytest.mark.usefixtures("own_server", "mine")
def test_a_page_says_what_its_worker_does_not_know() -> None:
    async def use(page: Distil) -> None:
        opening = page.state.spec()
        for name, kind in (
            ("loss", "loss"),
            ("teacher", "model"),
            ("student", "model"),
            ("dataset", "data set"),
            ("augmentation", "augmentation"),
            ("teacher_augmentation", "augmentation"),
            ("teaching", "way of teaching"),
        ):
            setattr(page.state, name, "mine")
            page.view._act("start")
            assert page.view._panel.error == (
                f"This page's worker does not know the {kind} 'mine', which is registered in this process only: train "
                f"with it in a cell of the notebook, by kdlab.distill, or choose another."
            )
            assert page.view._panel.state == "idle"
            page.state.apply(opening)
        assert client.the_server().runs() == []

    on_page(use)


@pytest.mark.usefixtures("own_server")
def test_a_page_that_is_open_bears_an_loss_that_gets_other_knobs() -> None:
    async def use(page: Distil) -> None:
        page.state.loss = "mine"
        run_cell(knob="mine_push", value=3.0)
        page.view._draw_all()
        assert page.state.spec().knobs == {"mine_push": 3.0}

    run_cell()
    on_page(use)


@pytest.mark.usefixtures("own_server", "mine")
def test_an_experiments_page_says_it_too() -> None:
    class Mine(EXPERIMENTS["early-stopping"].build):  # type: ignore[misc]
        """An experiment of a notebook."""

    EXPERIMENTS.add("mine", label="Mine", help="of a notebook")(Mine)

    async def run() -> None:
        pages = Experiments("early-stopping", "mine")
        for name, page in pages.shown.items():
            page.state.student = "mine" if name != "mine" else "mlp:8x1"
            page._act("start")
            kind = "model" if name != "mine" else "experiment"
            sentence = f"This page's worker does not know the {kind} 'mine', which is regist"
            assert page._panel.error.startswith(sentence)
            assert page._panel.state == "idle"
        pages.close()
        assert client.the_server().runs() == []

    asyncio.run(run())


@pytest.mark.parametrize("name", [name for name in Spec.names() if name not in ("precision", "schedule")])
def test_a_worker_that_is_asked_all_the_same_answers_in_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with monkeypatch.context() as notebook:
        for registry in REGISTRIES:
            notebook.setattr(registry, "_entries", dict(registry._entries))
        request.getfixturevalue("mine")
        sent = pickle.dumps(Spec(**{name: "mine"}))
    with pytest.raises(UnknownNameError, match=r"^There is no .* 'mine'\..* Known: "):
        next(run_distill_job(RunContext(), pickle.loads(sent)))
