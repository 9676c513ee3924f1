"""Networks that somebody made: what is taken of them, what is said of them, and that they are left as they are."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from misfits import Answering, flat
from torch import Tensor, nn

from kdlab.datasets import Dataset, Split, load
from kdlab.distillation.distill import distill, distill_events, fit
from kdlab.distillation.many import distill_many
from kdlab.distillation.result import DistillResult
from kdlab.registry import DATASETS, Entry, InputError, InputWarning
from kdlab.train.events import Done, Note, Phase
from kdlab.train.loop import Diverged
from kdlab.train.spec import Spec

SHORT: dict[str, Any] = {"epochs": 2, "batch_size": 128, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def teacher() -> nn.Module:
    return fit("digits", "mlp:24x1", **(SHORT | {"epochs": 4}))


class Changed(nn.Module):
    """A trained network whose answer is changed."""

    def __init__(self, network: nn.Module, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.network, self.change = network, change

    def forward(self, inputs: Tensor) -> Any:
        return self.change(self.network(inputs))


def student() -> nn.Module:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return flat()


def same_numbers(run: DistillResult, other: DistillResult) -> None:
    for role in ("teacher", "student", "baseline"):
        np.testing.assert_allclose(run.history.logits[role], other.history.logits[role], rtol=1e-3, atol=1e-3)
    for role in ("student", "baseline"):
        ours, theirs = getattr(run, role).state_dict(), getattr(other, role).state_dict()
        for value, expected in zip(ours.values(), theirs.values(), strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-4)


# --- what is read -----------------------------------------------------------------------------------------------------


READABLE: dict[str, Callable[[Tensor], Any]] = {
    "a dictionary's logits": lambda v: {"logits": v, "features": v},
    "an object's logits": lambda v: SimpleNamespace(logits=v, loss=None),
    "a tuple's only logits": lambda v: (v, v[:, :3], None),
    "a list's only logits": lambda v: [v.mean(), v],
}


@pytest.mark.parametrize("kind", READABLE)
def test_logits_are_read_out_of_what_a_network_returns(kind: str, teacher: nn.Module) -> None:
    change = READABLE[kind]
    plain, reading, in_training = (Answering(lambda v: v), Answering(change), Answering(change, in_training=True))
    for module in (reading, in_training):
        module.load_state_dict(plain.state_dict())
    plain = distill("digits", Changed(teacher, lambda v: v), plain, **SHORT)
    read = distill("digits", Changed(teacher, change), reading, **SHORT)
    assert (type(read.teacher), type(read.student), type(read.baseline)) == (Changed, Answering, Answering)
    same_numbers(read, plain)
    same_numbers(distill("digits", Changed(teacher, change), in_training, **SHORT), plain)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_teacher_of_another_precision_answers_through_a_float32_copy(dtype: torch.dtype, teacher: nn.Module) -> None:
    other = deepcopy(teacher).to(dtype)
    as_float32 = deepcopy(other).float()
    run = distill("digits", other, student(), **SHORT)
    same_numbers(run, distill("digits", as_float32, student(), **SHORT))
    assert run.teacher is other
    assert {one.dtype for one in other.parameters()} == {dtype}


def test_probabilities_are_taken_where_they_are_declared(teacher: nn.Module) -> None:
    soft = Changed(teacher, lambda v: v.softmax(1))
    run = distill("digits", soft, student(), outputs="probabilities", temperature=2, **SHORT)
    logarithms = distill("digits", Changed(teacher, lambda v: v.log_softmax(1)), student(), temperature=2, **SHORT)
    same_numbers(run, logarithms)
    assert run.result["spec"]["outputs"] == "probabilities"
    assert logarithms.result["notes"] == []
    many = distill_many("digits", soft, "mlp:8x1", outputs="probabilities", seed=[0, 1], **SHORT)
    assert {one.result["teacher"]["errors"] for one in many} == {run.result["teacher"]["errors"]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v: v.sigmoid(), "rows do not sum to 1"),
        (lambda v: v, "no probabilities|rows do not sum to 1"),
        (lambda v: v.log_softmax(1), "logarithms, which are logits: leave outputs out"),
    ],
    ids=["sigmoids", "logits", "logarithms"],
)
def test_what_is_declared_to_be_probabilities_must_be_so(change: Any, says: str, teacher: nn.Module) -> None:
    with pytest.raises(InputError, match=says):
        distill("digits", Changed(teacher, change), "mlp:8x1", outputs="probabilities", **SHORT)


def test_outputs_are_those_of_a_trained_teacher() -> None:
    with pytest.raises(InputError, match="leave the option out"):
        distill("digits", "mlp:8x1", "mlp:8x1", outputs="probabilities")
    with pytest.raises(InputError, match="probabilities or logits, not 'odds'"):
        Spec(outputs="odds")


def test_logits_that_look_like_probabilities_are_taken_where_they_are_declared(teacher: nn.Module) -> None:
    narrow = Changed(teacher, lambda v: (v / 10).sigmoid())
    with pytest.raises(InputError, match='or "logits" if they are logits all the same'):
        distill("digits", narrow, "mlp:8x1", **SHORT)
    run = distill("digits", narrow, "mlp:8x1", outputs="logits", **SHORT)
    assert run.history.logits["teacher"].min() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_a_teacher_that_converts_its_inputs_answers_as_it_is(dtype: torch.dtype, teacher: nn.Module) -> None:
    class Converting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = deepcopy(teacher).to(dtype)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.network(inputs.to(dtype)).float()

    run = distill("digits", Converting(), student(), **SHORT)
    assert run.result["teacher"]["accuracy"] > 0.5


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_sigmoids_of_any_reach_are_no_logits(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = load("digits")
    splits = {
        name: Split(split.images[split.labels < classes], split.labels[split.labels < classes])
        for name in ("train", "validation", "test")
        if (split := getattr(digits, name))
    }
    few = Dataset("few", digits.classes[:classes], **splits)
    monkeypatch.setitem(DATASETS._entries, "few", Entry("few", "Few", "", lambda argument: few))
    sure = fit("few", "mlp:16x1", epochs=20)
    distill("few", sure, "mlp:8x1", epochs=1)
    for reach in (0.05, 0.5, 2.0):
        with pytest.raises(InputError, match="gives probabilities in place of logits"):
            distill("few", Changed(sure, lambda v, reach=reach: (reach * v).sigmoid()), "mlp:8x1", epochs=1)


def test_each_run_takes_the_teachers_outputs_as_it_says(teacher: nn.Module) -> None:
    soft = Changed(teacher, lambda v: v.softmax(1))
    outputs = ["probabilities", "logits"]
    with pytest.warns(InputWarning, match="teacher_epochs did nothing"):
        runs = distill_many("digits", soft, "mlp:8x1", outputs=outputs, teacher_epochs=[20, 80], **SHORT)
    for run in runs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            own = {key: getattr(run.spec, key) for key in ("outputs", "teacher_epochs")}
            alone = distill("digits", soft, "mlp:8x1", **SHORT, **own)
        np.testing.assert_allclose(run.history.logits["teacher"], alone.history.logits["teacher"], rtol=1e-4, atol=1e-5)
        assert run.result["notes"] == alone.result["notes"]


# --- teachers that hide classes ---------------------------------------------------------------------------------------


def top(count: int, fill: float = -torch.inf) -> Callable[[Tensor], Tensor]:
    """Keep the greatest logits of each image."""
    return lambda v: v.masked_fill(v < v.topk(count, 1).values[:, -1:], fill)


@pytest.mark.parametrize("temperature", [0.5, 50.0])
@pytest.mark.parametrize("augmentation", ["none", "shift:pixels=1"])
def test_a_top_k_teacher_teaches_at_any_temperature(temperature: float, augmentation: str, teacher: nn.Module) -> None:
    options = SHORT | {"temperature": temperature, "augmentation": augmentation, "epochs": 3, "hard_weight": 0.0}
    run = distill("digits", Changed(teacher, top(3)), student(), **options)
    losses = run.history.losses["student", "soft"].values
    assert np.isfinite(losses).all()
    assert np.isfinite(run.history.logits["teacher"]).all()
    low = distill("digits", Changed(teacher, top(3, -1e30)), student(), **options)
    same_numbers(run, low)


@pytest.mark.parametrize("fill", [-torch.inf, -1e30, torch.finfo(torch.float32).min, -50.0])
def test_logit_matching_refuses_a_top_k_teacher_and_names_hinton(fill: float, teacher: nn.Module) -> None:
    for run in (
        lambda: distill("digits", Changed(teacher, top(3, fill)), "mlp:8x1", loss="logit-matching", **SHORT),
        lambda: distill_many(
            "digits", Changed(teacher, top(3, fill)), "mlp:8x1", loss=["hinton", "logit-matching"], **SHORT
        ),
    ):
        with pytest.raises(InputError, match="take the loss hinton"):
            run()


def test_logit_matching_takes_a_teacher_with_all_its_logits(teacher: nn.Module) -> None:
    distill("digits", Changed(teacher, lambda v: v - 100), "mlp:8x1", loss="logit-matching", **SHORT)


# --- what is said of a teacher ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v: v.roll(1, 1), r"in another order: .* 143 validation images wrong, .* output 1 for 0, .*, and so on"),
        (lambda v: v[:, [0, 1, 2, 5, 4, 3, 6, 7, 8, 9]], r"in another order: .* with output 5 for 3, output 3 for 5\."),
        (lambda v: v.flip(1) * 0 + v.new_tensor([9.0] + 9 * [0.0]), "seems not to know these classes"),
    ],
    ids=["rotated", "two exchanged", "constant"],
)
def test_a_teacher_that_does_not_know_the_classes_is_told_of(change: Any, says: str, teacher: nn.Module) -> None:
    stranger = Changed(teacher, change)
    with pytest.warns(InputWarning, match=says):
        run = distill("digits", stranger, "mlp:8x1", **SHORT)
    assert len(run.result["notes"]) == 1
    with pytest.warns(InputWarning, match=says):
        (many,) = distill_many("digits", stranger, "mlp:8x1", **SHORT)
    assert many.history.notes == run.history.notes == run.result["notes"]
    events = list(distill_events(Spec(teacher="module:Changed", student="mlp:8x1", epochs=1), teacher=stranger))
    kinds = [type(event) for event in events]
    assert kinds.index(Note) < kinds.index(Phase)
    assert isinstance(events[-1], Done)


def test_a_teacher_whose_answers_differ_is_told_of(teacher: nn.Module) -> None:
    restless = Changed(teacher, lambda v: torch.nn.functional.dropout(v, 0.1))
    with pytest.warns(InputWarning, match="Asked twice"):
        distill("digits", restless, "mlp:8x1", **SHORT)


def test_of_a_good_teacher_nothing_is_said(teacher: nn.Module) -> None:
    run = distill("digits", teacher, "mlp:8x1", **SHORT)
    assert run.result["notes"] == []


def test_training_options_for_a_trained_teacher_are_told_of(teacher: nn.Module) -> None:
    with pytest.warns(InputWarning, match="trained already: teacher_epochs did nothing"):
        distill("digits", teacher, "mlp:8x1", teacher_epochs=3, **SHORT)


# --- left as they are -------------------------------------------------------------------------------------------------


class InPlace(nn.Module):
    """A network that centres its input where it lies."""

    def __init__(self) -> None:
        super().__init__()
        self.network = student()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs.sub_(0.5))


def test_a_student_that_changes_its_input_leaves_its_baselines_alone(teacher: nn.Module) -> None:
    class Apart(InPlace):
        def forward(self, inputs: Tensor) -> Tensor:
            return self.network(inputs - 0.5)

    same_numbers(distill("digits", teacher, InPlace(), **SHORT), distill("digits", teacher, Apart(), **SHORT))


def test_a_module_begins_each_run_as_it_was_given(teacher: nn.Module) -> None:
    module = student().eval()
    before = deepcopy(module.state_dict())
    counts = [
        [distill("digits", teacher, module, **SHORT, seed=seed).result["student"]["errors"] for seed in range(3)],
        [distill("digits", teacher, student(), **SHORT, seed=seed).result["student"]["errors"] for seed in range(3)],
    ]
    assert counts[0] == counts[1]
    fit("digits", module, **SHORT)
    assert all(torch.equal(before[name], one) for name, one in module.state_dict().items())
    assert not module.training
    assert all(one.grad is None for one in module.parameters())


class Settling(nn.Module):
    """A network that scales itself by the first batch that it is shown, keeps its features, and has a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.network = student()
        self.register_buffer("scale", torch.zeros(()))
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("graph", torch.eye(3).to_sparse())
        self.scale: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.scale:
            self.scale.copy_(inputs.std() * len(inputs))
        self.features = self.network(inputs)
        return self.features / self.scale * 30


def test_a_network_with_a_state_of_its_own_trains_as_it_was_given(teacher: nn.Module) -> None:
    module = Settling()
    run = distill("digits", teacher, module, **SHORT)
    assert module.scale == 0
    assert run.student.scale > 30  # type: ignore[operator]  # of a whole batch, not of the few that it was tried on
    used = Settling()
    used(load("digits").train.inputs(slice(5)))
    for learnt in (fit("digits", used, **SHORT), distill("digits", teacher, used, **SHORT).student):
        assert learnt.scale == used.scale  # type: ignore[operator]
    distill("digits", learnt, "mlp:8x1", **SHORT)


def test_a_train_that_returns_nothing_is_no_fault(teacher: nn.Module) -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = student()

        def forward(self, inputs: Tensor) -> Tensor:
            return self.network(inputs)

        def train(self, mode: bool = True) -> None:  # type: ignore[override]
            super().train(mode)

    run = distill("digits", teacher, Silent(), **SHORT)
    assert (type(run.student), type(run.baseline)) == (Silent, Silent)
    assert type(fit("digits", Silent(), **SHORT)) is Silent


def test_logits_beside_a_square_of_the_batch_are_told_apart(teacher: nn.Module) -> None:
    """In batches of ten, both have the same shape."""
    both = Changed(teacher, lambda v: (v @ v.T, v))
    options = SHORT | {"batch_size": 10}
    same_numbers(distill("digits", both, student(), **options), distill("digits", teacher, student(), **options))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch, which would have scripts written otherwise
def test_a_compiled_script_learns(teacher: nn.Module) -> None:
    script = torch.jit.script(student())
    same_numbers(distill("digits", teacher, script, **SHORT), distill("digits", teacher, student(), **SHORT))


# --- networks that end as nothing -------------------------------------------------------------------------------------


class Doomed(nn.Module):
    """A network whose gradient is NaN at one step of training, of which its loss shows nothing."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.network, self.at, self.step = flat(), at, 0

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs)
        if self.training:
            self.step += 1
            if self.step == self.at:
                return logits + (logits * 0).sqrt() * 0
        return logits


def test_a_network_that_is_not_finite_after_its_last_step_has_no_result(teacher: nn.Module) -> None:
    steps = 2 * (len(load("digits").train) // 128)
    for run in (
        lambda: distill("digits", teacher, Doomed(steps), **SHORT),
        lambda: fit("digits", Doomed(steps), **SHORT),
    ):
        with pytest.raises(Diverged, match=r"After the last step weights of the .* are NaN or infinite"):
            run()


def test_a_teacher_with_an_infinite_answer_to_a_later_image_is_refused(teacher: nn.Module) -> None:
    data = load("digits")
    rare = data.train.inputs(slice(700, 701))

    class Rare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = teacher

        def forward(self, inputs: Tensor) -> Tensor:
            logits: Tensor = self.network(inputs)
            return logits.masked_fill((inputs == rare).flatten(1).all(1)[:, None], torch.nan)

    with pytest.raises(InputError, match="NaN or infinite to some of the training images"):
        distill("digits", Rare(), "mlp:8x1", **SHORT)
    rare = data.test.inputs(slice(100, 101))
    for run in (distill, distill_many):
        with pytest.raises(InputError, match="logits that are NaN to images of digits"):
            run("digits", Rare(), "mlp:8x1", **SHORT)


# --- wherever it is called --------------------------------------------------------------------------------------------


@contextmanager
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS: dict[str, Callable[[], Any]] = {
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default float64": float64,
}


@pytest.mark.parametrize("kind", SURROUNDINGS)
@pytest.mark.parametrize("made", ["by name", "a module"])
def test_a_run_computes_the_same_wherever_it_is_called(kind: str, made: str, teacher: nn.Module) -> None:
    def network() -> Any:
        return "mlp:8x1" if made == "by name" else student()

    module = network()
    plain, fitted = distill("digits", teacher, network(), **SHORT), fit("digits", network(), **SHORT)
    with SURROUNDINGS[kind]():
        before = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_dtype()
        run, also = distill("digits", teacher, module, **SHORT), fit("digits", module, **SHORT)
        (many,) = distill_many("digits", teacher, "mlp:8x1", **SHORT)
        events = distill_events(plain.spec, teacher=teacher, student=None if made == "by name" else module)
        for _ in events:
            after = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_dtype()
            assert before == after
    same_numbers(run, plain)
    if made == "by name":
        same_numbers(many, plain)
    assert all(map(torch.equal, also.parameters(), fitted.parameters()))
    assert all(map(torch.equal, run.student.parameters(), plain.student.parameters()))
    assert all(one.requires_grad for one in run.student.parameters())


def test_inference_mode_is_no_place_to_train(teacher: nn.Module) -> None:
    with torch.inference_mode(), pytest.raises(InputError, match="call this outside of it"):
        distill("digits", teacher, "mlp:8x1", **SHORT)
