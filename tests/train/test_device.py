"""The settings with which runs compute: each has its own, and whoever has the runs keeps theirs."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch

from kdlab.distillation.distill import distill, distill_events, fit
from kdlab.registry import LOSSES
from kdlab.train.device import training_context
from kdlab.train.events import Step
from kdlab.train.spec import Spec

Settings = tuple[int, tuple[bool, ...]]
DENORMAL = torch.full((80_000,), 1e-39)  # made here, as 1e-39 is 0 to a thread that takes it for 0
ORDINARY, TRAINING = (2, (False, False)), (2, (True, True))
SMALL = Spec(teacher="mlp:8x1", student="mlp:8x1", epochs=1, teacher_epochs=1, batch_size=512)
LARGE = SMALL.replace(teacher="mlp:600x2", student="mlp:500x2")  # which two threads train


def settings() -> Settings:
    """How this thread computes: with how many threads, and which of them take denormal numbers for 0."""
    threads = torch.get_num_threads()
    product = DENORMAL[: threads * 40_000].mul(1.0)  # enough for each thread to have a share
    return threads, tuple(bool((share == 0).all()) for share in product.chunk(threads))


@pytest.fixture
def apart() -> Iterator[Callable[..., Any]]:
    """Call a function in a thread of its own, which has two threads to compute with and none that help it yet."""
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(2,)) as executor:
        yield lambda function, *arguments: executor.submit(function, *arguments).result(60)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[float, set[Settings]]:
    """What the steps of students are computed with, by the run's temperature."""
    seen: dict[float, set[Settings]] = {}
    hinton = LOSSES["hinton"]

    def build(logits: torch.Tensor, *others: Any, **knobs: float) -> Any:
        if len(logits) > 100:  # or it is only asked what it returns
            seen.setdefault(knobs["temperature"], set()).add(settings())
        return hinton.build(logits, *others, **knobs)

    monkeypatch.setitem(LOSSES._entries, "hinton", replace(hinton, build=build))
    return seen


def test_helping_threads_compute_as_the_caller_says(apart: Callable[..., Any]) -> None:
    def compute() -> None:
        assert settings() == ORDINARY  # the other thread begins here, and is to change twice
        with training_context():
            assert settings() == TRAINING
            with training_context():
                assert settings() == TRAINING
            assert settings() == TRAINING
        assert settings() == ORDINARY

    apart(compute)


@pytest.mark.process
def test_helping_threads_that_begin_in_a_run_do_not_stay_as_they_were(apart: Callable[..., Any]) -> None:
    options = {"epochs": 1, "batch_size": 512}
    apart(lambda: fit("digits", "mlp:600x2", **options))
    assert apart(settings) == ORDINARY
    apart(lambda: distill("digits", "mlp:600x2", "mlp:500x2", teacher_epochs=1, **options))
    assert apart(settings) == ORDINARY


def test_whoever_asks_for_events_keeps_the_own_settings(apart: Callable[..., Any]) -> None:
    def watch() -> None:
        events = distill_events(LARGE)
        for event in events:
            assert settings() == ORDINARY
            if isinstance(event, Step) and event.phase == "student":
                break
        torch.set_num_threads(1)  # the caller's own choice, which stays
        next(events)
        assert settings() == (1, (False,))
        events.close()
        assert settings() == (1, (False,))

    apart(watch)


@pytest.mark.process
@pytest.mark.parametrize("closed", ["first", "last"])
def test_runs_in_turns_each_compute_as_alone(
    closed: str, apart: Callable[..., Any], steps: dict[float, set[Settings]]
) -> None:
    def turns() -> None:
        runs = [distill_events(spec) for spec in (LARGE.replace(knobs={"temperature": 2}), SMALL)]
        for events in zip(*runs, strict=True):  # of both, as their data and epochs are the same
            assert settings() == ORDINARY
            if all(isinstance(event, Step) and event.phase == "student" for event in events):
                break
        for run in runs if closed == "first" else reversed(runs):
            run.close()
            assert settings() == ORDINARY

    apart(turns)
    assert steps == {2.0: {TRAINING}, 4.0: {(1, (True,))}}


def test_a_run_may_go_on_in_another_thread(apart: Callable[..., Any], steps: dict[float, set[Settings]]) -> None:
    def begin() -> Any:
        events = distill_events(LARGE)
        next(event for event in events if isinstance(event, Step))
        return events

    events = apart(begin)
    assert apart(settings) == ORDINARY
    before = settings()
    for _ in events:
        assert settings() == before
    assert settings() == before
    assert steps == {4.0: {TRAINING}}
