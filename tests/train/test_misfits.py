"""Networks that do not fit are refused with one sentence, before a step is made, whichever way they come in."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from misfits import FOR_ALL, FOR_LEARNERS, FOR_TEACHERS, batch_normalised, flat
from refusals import refusal
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from kdlab.distillation.distill import distill, distill_events, fit
from kdlab.distillation.many import distill_many, fit_many
from kdlab.io import read_weights
from kdlab.registry import MODELS
from kdlab.train.group import GroupTrainer
from kdlab.train.spec import Spec

pytestmark = pytest.mark.filterwarnings("ignore::kdlab.registry.InputWarning")  # of networks that learnt nothing

TEACHERS, LEARNERS = FOR_ALL | FOR_TEACHERS, FOR_ALL | FOR_LEARNERS
FLAT = "mlp:8x1"


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> list[GroupTrainer]:
    """What makes a training step: nothing may, where a network is refused."""
    made: list[GroupTrainer] = []
    step = GroupTrainer.step
    monkeypatch.setattr(GroupTrainer, "step", lambda team, *batch: made.append(team) or step(team, *batch))
    return made


@pytest.fixture
def registered() -> Iterator[Callable[[Callable[[], nn.Module]], str]]:
    """Registers a person's own model, and takes it out again."""

    def add(make: Callable[[], nn.Module]) -> str:
        MODELS.add("misfit", label="Misfit", help="")(lambda argument, shape, classes: make())
        return "misfit"

    yield add
    MODELS._entries.pop("misfit", None)


def refused(run: Callable[[], Any], says: str, steps: list[GroupTrainer]) -> None:
    state = torch.get_rng_state()
    sentence = refusal(run)
    assert re.search(says, sentence)
    assert len(sentence) < 400
    assert sentence.startswith(("The ", "A copy of the "))
    assert not steps
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_student_that_does_not_fit_is_refused(kind: str, steps: list[GroupTrainer]) -> None:
    student = LEARNERS[kind].make()
    refused(lambda: distill("digits", FLAT, student, epochs=1), LEARNERS[kind].says, steps)


@pytest.mark.parametrize("kind", TEACHERS)
def test_a_teacher_that_does_not_fit_is_refused(kind: str, steps: list[GroupTrainer]) -> None:
    teacher, says = TEACHERS[kind].make(), TEACHERS[kind].says
    refused(lambda: distill("digits", teacher, FLAT, epochs=1), says, steps)
    refused(lambda: distill_many("digits", teacher, FLAT, temperature=[1, 2], epochs=1), says, steps)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_network_that_does_not_fit_is_not_fitted(kind: str, steps: list[GroupTrainer]) -> None:
    network = LEARNERS[kind].make()
    refused(lambda: fit("digits", network, epochs=1), LEARNERS[kind].says, steps)


@pytest.mark.parametrize(
    "kind", ["a softmax", "an ambiguous tuple", "colours", "double", "nothing to train", "one output"]
)
def test_a_registered_model_that_does_not_fit_is_refused(kind: str, registered: Any, steps: list[GroupTrainer]) -> None:
    misfit = LEARNERS[kind]
    name = registered(misfit.make)
    for run in (
        lambda: distill("digits", FLAT, name, epochs=1),
        lambda: distill("digits", name, FLAT, epochs=1),
        lambda: distill_many("digits", FLAT, ["mlp:4x1", name], epochs=1),
        lambda: distill_many("digits", name, FLAT, epochs=1),
        lambda: fit("digits", name, epochs=1),
        lambda: fit_many("digits", [FLAT, name], epochs=1),
        lambda: list(distill_events(Spec(teacher=FLAT, student=name, epochs=1))),
    ):
        refused(run, misfit.says, steps)


@pytest.mark.parametrize("kind", ["a softmax", "sigmoids", "one output", "other classes", "infinite", "a dictionary"])
def test_a_file_of_a_network_that_does_not_fit_is_refused(
    kind: str, registered: Any, steps: list[GroupTrainer]
) -> None:
    """What the page Distil does with the teacher's file that somebody chose."""
    misfit = TEACHERS[kind]
    weights = read_weights("mine.safetensors", to_safetensors(misfit.make().state_dict()), 10**6)
    spec = Spec(teacher=registered(misfit.make), student=FLAT, epochs=1)
    refused(lambda: list(distill_events(spec, teacher=weights)), misfit.says, steps)


@pytest.mark.parametrize("by_name", [False, True], ids=["module", "name"])
def test_batch_normalisation_of_single_images_is_refused(
    by_name: bool, registered: Any, steps: list[GroupTrainer]
) -> None:
    network = registered(batch_normalised) if by_name else batch_normalised()
    says = "in training, where a batch has 1: .* raise batch_size"
    refused(lambda: distill("digits", FLAT, network, batch_size=1, epochs=1), says, steps)
    refused(lambda: distill("digits", FLAT, network, transfer_size=1, epochs=1), says, steps)
    refused(lambda: fit("digits", network, batch_size=1, epochs=1), says, steps)


# --- what teacher and student share -----------------------------------------------------------------------------------


class Backbone(nn.Module):
    """A network of two parts, of which one may be another network's as well."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs))


def sharing(kind: str) -> tuple[nn.Module, nn.Module]:
    """A teacher and a student that share memory."""
    teacher, student = flat(), flat()
    if kind == "themselves":
        return teacher, teacher
    if kind == "a parameter":
        student[1].weight = teacher[1].weight
    elif kind == "a storage":
        student[1].weight = nn.Parameter(teacher[1].weight)
    elif kind == "a part of a storage":
        student[1].bias = nn.Parameter(teacher[1].weight.detach().view(-1)[3:13])
    else:
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), *([nn.BatchNorm1d(16)] if "batch" in kind else []))
        if "frozen" in kind:
            body.requires_grad_(False)
        return Backbone(body, nn.Linear(16, 10)), Backbone(body, nn.Linear(16, 10))
    return teacher, student


@pytest.mark.parametrize(
    "kind",
    [
        "themselves",
        "a parameter",
        "a storage",
        "a part of a storage",
        "a body",
        "a frozen body with batch normalisation",
    ],
)
def test_a_student_that_shares_what_changes_with_its_teacher_is_refused(kind: str, steps: list[GroupTrainer]) -> None:
    teacher, student = sharing(kind)
    before = deepcopy(teacher.state_dict())
    refused(lambda: distill("digits", teacher, student, epochs=1), "shares '.*' with the teacher, which would", steps)
    assert all(torch.equal(before[name], one) for name, one in teacher.state_dict().items())


def test_a_frozen_part_may_be_shared(steps: list[GroupTrainer]) -> None:
    teacher, student = sharing("a frozen body")
    before = deepcopy(teacher.state_dict())
    run = distill("digits", teacher, student, epochs=1)
    assert all(torch.equal(before[name], one) for name, one in run.teacher.state_dict().items())
    assert torch.equal(run.student.body[1].weight, teacher.body[1].weight)  # type: ignore[union-attr, index]
    assert steps


class Clinging(nn.Module):
    """A network whose copies are trained with it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = flat()

    def __deepcopy__(self, memo: object) -> "Clinging":
        other = Clinging()
        other.network = self.network
        return other

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)


def test_a_student_that_keeps_hold_of_its_copies_is_refused(steps: list[GroupTrainer]) -> None:
    student = Clinging()
    refused(lambda: distill("digits", FLAT, student, epochs=1), "A copy of the student still computes with", steps)


def test_a_teacher_is_no_student_of_a_registered_model_that_hands_it_out(
    registered: Any, steps: list[GroupTrainer]
) -> None:
    teacher = flat()
    name = registered(lambda: teacher)
    refused(lambda: distill("digits", teacher, name, epochs=1), "shares '.*' with the teacher", steps)
    refused(lambda: distill_many("digits", teacher, name, epochs=1), "shares '.*' with the teacher", steps)
