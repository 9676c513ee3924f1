"""Knobs of the loss that change while a run trains."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kdlab.distillation import teacher_training
from kdlab.distillation.distill import distill_events, fit
from kdlab.live_params import LiveParams
from kdlab.train import clock
from kdlab.train.events import Done, Event, ParamsChanged, Probe, Step
from kdlab.train.spec import Spec

# The networks have mostly learnt nothing.
pytestmark = pytest.mark.filterwarnings("ignore::kdlab.registry.InputWarning")
# Six steps an epoch of the student.
SPEC = Spec(
    teacher="mlp:16x1",
    student="mlp:8x1",
    epochs=2,
    teacher_epochs=2,
    batch_size=100,
    transfer_size=600,
    precision="float32",
)
CHANGES = {"temperature": 9.0, "soft_weight": 0.5}
# By network and part, the losses of a run of SPEC with CHANGES after its fourth step. They were computed when changes
# were sent into the generator of events.
LOSSES = {
    ("student", "soft"): (
        0.0036919659,
        0.0037581027,
        0.0036516676,
        0.0035014229,
        0.00067644269,
        0.00068616233,
        0.00066892768,
        0.00064122118,
        0.00062719814,
        0.00061762723,
        0.00062852516,
        0.00062994525,
    ),
    ("student", "hard"): (
        2.3074300,
        2.3480883,
        2.3794794,
        2.3310866,
        2.2903838,
        2.3198984,
        2.3122547,
        2.3777525,
        2.3195601,
        2.3220589,
        2.3025482,
        2.3320055,
    ),
    ("baseline", "hard"): (
        2.3074300,
        2.3461592,
        2.3753316,
        2.3257785,
        2.2786620,
        2.3063331,
        2.2991033,
        2.3667421,
        2.3030405,
        2.3048220,
        2.2910769,
        2.3139968,
    ),
}
ERRORS = {"teacher": 311, "student": 327, "baseline": 324}


@pytest.fixture(autouse=True)
def no_cached_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_training, "_last_teacher", None)


def run(at_step_4: Callable[[LiveParams], Any], live: LiveParams | None = None, spec: Spec = SPEC) -> list[Event]:
    """The events of a run with a newly trained teacher; `at_step_4` is called with the student's fourth step."""
    teacher_training._last_teacher = None
    live, events = live or LiveParams(), []
    for event in distill_events(spec, live=live):
        events.append(event)
        if isinstance(event, Step) and (event.phase, event.step) == ("student", 4):
            at_step_4(live)
    return events


def only(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def numbers(events: list[Event]) -> list[Any]:
    """All losses and logits of a run, and its errors on the test images."""
    losses = [(step.phase, step.step, step.losses) for step in only(events, Step)]
    logits = [[values.tolist() for values in probe.logits.values()] for probe in only(events, Probe)]
    (done,) = only(events, Done)
    return [losses, logits, {network: done.result[network]["errors"] for network in ERRORS}]


# --- the object alone -------------------------------------------------------------------------------------------------


def test_changes_wait_until_they_are_taken_once() -> None:
    live = LiveParams()
    changes = {"a": 1.0, "b": 2.0}
    live.set(changes)
    changes["a"] = 5.0  # the caller may use it again
    live.set({"c": 3.0, "b": 4.0})
    assert live.take() == {"a": 1.0, "b": 4.0, "c": 3.0}
    assert live.take() == {}
    assert live.values == {}


def test_changes_of_one_message_are_taken_together_whatever_other_threads_do() -> None:
    live, taken = LiveParams(), []

    def change(sign: int) -> None:
        for number in range(5_000):
            live.set({"a": sign * number, "b": sign * number})

    threads = [threading.Thread(target=change, args=(sign,)) for sign in (1, -1)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(live.take())
    taken.append(live.take())
    assert all(changes["a"] == changes["b"] for changes in taken if changes)
    assert abs([changes for changes in taken if changes][-1]["a"]) == 4_999


# --- in a run ---------------------------------------------------------------------------------------------------------


def test_changes_of_one_message_hold_from_one_step_on_and_are_recorded_once() -> None:
    live = LiveParams()
    events = run(lambda live: live.set(CHANGES), live)
    (change,) = only(events, ParamsChanged)
    assert change == ParamsChanged("student", 4, CHANGES)
    at = events.index(change)
    assert [event.step for event in (events[at - 1], events[at + 1]) if isinstance(event, Step)] == [4, 5]
    assert live.values == {**SPEC.knobs, **CHANGES}
    assert only(events, Done)[0].result["knobs_at_end"] == live.values


def test_the_numbers_are_those_of_knobs_that_change_between_two_steps() -> None:
    """Exactly those of a run whose knobs are overwritten while it waits after the fourth step."""
    overwritten = run(lambda live: live.values.update(CHANGES))
    assert not only(overwritten, ParamsChanged)
    assert numbers(run(lambda live: live.set(CHANGES))) == numbers(overwritten)


def test_the_numbers_are_those_of_changes_that_were_sent_into_the_generator() -> None:
    events = run(lambda live: live.set(CHANGES))
    steps = [step for step in only(events, Step) if step.phase == "student"]
    for (network, part), losses in LOSSES.items():
        # Other processors round otherwise.
        np.testing.assert_allclose([step.losses[network][part] for step in steps], losses, rtol=1e-4)
    assert {network: only(events, Done)[0].result[network]["errors"] for network in ERRORS} == ERRORS


def test_a_change_of_another_thread_acts_on_the_next_step() -> None:
    def change_elsewhere(live: LiveParams) -> None:
        thread = threading.Thread(target=live.set, args=(CHANGES,))
        thread.start()
        thread.join()

    events = run(change_elsewhere)
    assert only(events, ParamsChanged) == [ParamsChanged("student", 4, CHANGES)]
    assert numbers(events) == numbers(run(lambda live: live.set(CHANGES)))


def test_changes_of_a_thread_that_goes_on_are_recorded_in_the_order_of_its_messages() -> None:
    live, begun = LiveParams(), threading.Event()

    def change() -> None:
        for number in range(4_000):
            live.set({"temperature": 1 + number / 100, "hard_weight": number / 4_000})
            begun.set()

    thread = threading.Thread(target=change)
    thread.start()
    begun.wait()
    changes = only(list(distill_events(SPEC.replace(epochs=4), live=live)), ParamsChanged)
    thread.join()
    temperatures = [change.values["temperature"] for change in changes]
    assert temperatures
    assert temperatures == sorted(temperatures)
    assert [change.values["hard_weight"] for change in changes] == pytest.approx([(t - 1) / 40 for t in temperatures])
    assert live.values == {**SPEC.knobs, **changes[-1].values}


@pytest.mark.parametrize("trained", [False, True], ids=["teacher", "student"])
def test_a_change_before_the_first_step_is_applied_at_the_first_step_of_the_phase_that_trains_then(
    trained: bool,
) -> None:
    teacher = fit("digits", "mlp:16x1", epochs=1) if trained else None
    live = LiveParams()
    live.set(CHANGES)
    events = list(distill_events(SPEC, live=live, teacher=teacher))
    phase = "student" if trained else "teacher"
    assert only(events, ParamsChanged) == [ParamsChanged(phase, 0, CHANGES)]
    teacher_training._last_teacher = None
    other = list(distill_events(SPEC.replace(knobs={**SPEC.knobs, **CHANGES}), teacher=teacher))
    assert numbers(events) == numbers(other)


def test_a_change_after_the_last_step_is_not_applied() -> None:
    live = LiveParams()
    events = []
    for event in distill_events(SPEC, live=live):
        events.append(event)
        if isinstance(event, Step) and (event.phase, event.step) == ("student", 12):
            live.set(CHANGES)
    assert not only(events, ParamsChanged)
    assert only(events, Done)[0].result["knobs_at_end"] == live.values == SPEC.knobs


def test_an_object_that_was_used_before_starts_with_the_knobs_of_the_spec() -> None:
    live = LiveParams()
    run(lambda live: live.set(CHANGES), live)
    assert not only(run(lambda _: None, live), ParamsChanged)
    assert live.values == SPEC.knobs


# --- the clock --------------------------------------------------------------------------------------------------------


def test_the_seconds_of_a_run_are_without_those_of_its_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: now))
    events = []
    for event in distill_events(SPEC, every=0):
        events.append(event)
        now += 100.0
    assert only(events, Done)[0].result["seconds"] == {"teacher": 0.0, "student": 0.0}
