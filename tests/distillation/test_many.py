"""Many students at once: each run is what it would be alone, and what can be one program is one."""

import re
from collections import Counter as Tally
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from kdlab.datasets import load
from kdlab.distillation.distill import distill, fit
from kdlab.distillation.grouping import choices, group_compatible
from kdlab.distillation.many import distill_many, fit_many
from kdlab.distillation.result import DistillResult
from kdlab.losses import Part, log_softmax
from kdlab.losses.hinton import hinton
from kdlab.registry import LOSSES, Entry, InputError, Knob
from kdlab.train import device
from kdlab.train.evaluate import predict
from kdlab.train.loop import Diverged, make_network
from kdlab.train.spec import Spec

# Teachers here have mostly learnt nothing.
pytestmark = pytest.mark.filterwarnings("ignore::kdlab.registry.InputWarning")
SHORT: dict[str, Any] = {"epochs": 2, "batch_size": 128, "learning_rate": 1e-2}
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def teacher() -> nn.Module:
    return fit("digits", "mlp:24x1", **(SHORT | {"epochs": 4}))


def alone(run: DistillResult, teacher: str | nn.Module) -> DistillResult:
    """The same spec, distilled on its own."""
    spec = run.spec
    fields = {key: getattr(spec, key) for key in Spec.__dataclass_fields__}
    for key in ("dataset", "teacher", "student", "knobs"):
        fields.pop(key)
    return distill(spec.dataset, teacher, spec.student, **fields, **spec.knobs)


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    assert not one.training
    assert not other.training
    for (name, value), (other_name, expected) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        assert name == other_name
        torch.testing.assert_close(value, expected, **TOLERANCE)


def assert_same_run(run: DistillResult, other: DistillResult) -> None:
    assert run.spec == other.spec
    for role in ("teacher", "student", "baseline"):
        assert_same_weights(getattr(run, role), getattr(other, role))
    mine, theirs = run.history, other.history
    assert mine.losses.keys() >= theirs.losses.keys() - {("teacher", "hard")}
    for key, curve in mine.losses.items():
        assert curve.epochs == theirs.losses[key].epochs
        np.testing.assert_allclose(curve.values, theirs.losses[key].values, **TOLERANCE)
    for role in ("student", "baseline"):
        assert mine.errors[role] == theirs.errors[role]
    assert mine.logits.keys() == theirs.logits.keys() == {"teacher", "student", "baseline"}
    for role, logits in mine.logits.items():
        np.testing.assert_allclose(logits, theirs.logits[role], **TOLERANCE)
    result, expected = dict(run.result), dict(other.result)
    assert set(result.pop("seconds")) == set(expected.pop("seconds"))
    result.pop("trained_together")
    assert result == expected


# --- each as it would be alone ----------------------------------------------------------------------------------------

COMPANIES: dict[str, dict[str, Any]] = {
    "seeds that share batches": {"student": "mlp:12x1", "seed": range(3), "batch_seed": 0},
    "seeds with batches of their own": {"student": "mlp:12x1", "seed": (4, 5), "transfer_size": 300},
    "temperatures, weights, switches": {
        "student": "mlp:12x1", "temperature": [1, 8], "soft_weight": [0.0, 0.5], "t_squared": [True, False],
    },
    "widths that stack and one that does not": {"student": ["mlp:12x2", "mlp:5x2", "mlp:16x2", "mlp:12x1"]},
    "dropout": {"student": ["mlp:16x1:dropout=0.4", "mlp:12x1:dropout=0.4"], "seed": [0, 1], "batch_seed": 3},
    "input dropout": {
        "student": "mlp:12x1:dropout=0.2:input_dropout=0.2", "seed": [0, 1], "batch_seed": 3, "temperature": [1, 8],
    },
    "image networks beside a perceptron": {"student": ["cnn:width=2", "mlp:12x1"], "temperature": [1, 8]},
    "moved images": {
        "student": "mlp:12x1", "seed": [0, 1], "batch_seed": 0, "augmentation": ["none", "shift:pixels=1"],
        "teaching": ["consistent", "fixed"],
    },
    "lengths, batches and rates": {
        "student": "mlp:12x1", "epochs": [1, 2], "batch_size": [64, 200], "learning_rate": [1e-2, 1e-3],
    },
    "bfloat16": {"student": ["mlp:16x2", "mlp:12x2"], "temperature": [1, 8], "precision": "bfloat16"},
    "precisions, in each of which the teacher answers": {"student": "mlp:12x1", "precision": ["float32", "bfloat16"]},
}  # fmt: skip


@pytest.mark.parametrize("what", COMPANIES)
def test_each_run_is_what_it_would_be_alone(what: str, teacher: nn.Module) -> None:
    runs = distill_many("digits", teacher, **(SHORT | COMPANIES[what]))
    several = [len(value) for value in COMPANIES[what].values() if isinstance(value, list | tuple | range)]
    assert len(runs) == np.prod(several)
    assert len({run.spec.to_json() for run in runs}) == len(runs)
    for run in runs:
        assert run.teacher is teacher
        assert_same_run(run, alone(run, teacher))


@pytest.mark.parametrize("what", ["seeds that share batches", "dropout", "image networks beside a perceptron"])
def test_runs_of_a_company_differ_where_their_specs_do(what: str, teacher: nn.Module) -> None:
    """Lest two equal runs be equal because nothing is told apart."""
    runs = distill_many("digits", teacher, **(SHORT | COMPANIES[what]))
    losses = {tuple(run.history.losses["student", "soft"].values) for run in runs}
    assert len(losses) == len(runs)


def test_a_teacher_by_name_is_trained_once_as_the_first_run_would(teacher: nn.Module) -> None:
    fields = SHORT | {"teacher_epochs": 2, "batch_seed": 7, "teacher_augmentation": "shift:pixels=1"}
    runs = distill_many("digits", "mlp:16x1:dropout=0.2", "mlp:8x1", seed=[3, 4], **fields)
    assert runs[0].teacher is runs[1].teacher
    assert_same_run(runs[0], alone(runs[0], runs[0].spec.teacher))
    taught = alone(runs[1], runs[1].teacher)
    assert_same_weights(runs[1].student, taught.student)
    assert runs[1].result["student"] == taught.result["student"]


NETWORKS: dict[str, dict[str, Any]] = {
    "seeds that share batches": {"network": "mlp:12x2:dropout=0.2", "seed": range(3), "batch_seed": 0},
    "seeds with batches of their own": {"network": "mlp:12x1", "seed": [0, 1]},
    "builds": {"network": ["mlp:12x1", "mlp:5x1", "mlp:9x1", "mlp:9x2", "cnn:width=2"]},
    "input dropout": {"network": "mlp:12x1:input_dropout=0.2", "seed": [0, 1], "batch_seed": 0},
    "lengths and rates": {"network": "mlp:12x1", "epochs": [1, 2], "learning_rate": [1e-2, 1e-3]},
    "moved images": {
        "network": "mlp:12x1",
        "augmentation": ["none", "shift:pixels=1"],
        "seed": [0, 1],
        "batch_seed": 0,
    },
}


@pytest.mark.parametrize("what", NETWORKS)
def test_each_network_fits_as_it_would_alone(what: str) -> None:
    options = SHORT | NETWORKS[what]
    modules = fit_many("digits", **options)
    combinations = choices(**{"network": None, "epochs": None, "augmentation": "none", **options})
    assert len(modules) == len(combinations)
    for module, choice in zip(modules, combinations, strict=True):
        assert_same_weights(module, fit("digits", **choice))
    assert len({next(iter(module.parameters())).sum().item() for module in modules}) == len(modules)


# --- losses -------------------------------------------------------------------------------------------------------


@pytest.fixture
def readme_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss that the README adds, for one test."""
    readme = (Path(__file__).parents[2] / "kdlab/docs/extending.md").read_text()
    (source,) = re.findall(r"## Add a loss\n.*?```python\n(.*?)```", readme, re.DOTALL)
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    for _ in range(2):  # as a notebook's cell that is run again
        exec(source, {"__name__": "__main__"})


@pytest.mark.usefixtures("readme_loss")
def test_the_readmes_loss_works_in_a_stack_and_beside_another(teacher: nn.Module) -> None:
    runs = distill_many(
        "digits", teacher, ["mlp:12x1", "mlp:16x1"], loss="total-variation", pull_weight=[0.1, 1, 5], **SHORT
    )
    assert {run.result["trained_together"] for run in runs} == {8}
    for run in runs:
        assert_same_run(run, alone(run, teacher))
    mixed = distill_many("digits", teacher, "mlp:12x1", loss=["hinton", "total-variation", "hinton"], **SHORT)
    assert {run.result["trained_together"] for run in mixed} == {4}
    assert [[part for role, part in run.history.losses if role == "student"] for run in mixed] == [
        ["soft", "hard"], ["pull"], ["soft", "hard"],
    ]  # fmt: skip
    for run in mixed:
        assert_same_run(run, alone(run, teacher))


def register(monkeypatch: pytest.MonkeyPatch, key: str, build: Callable[..., Any], *knobs: Knob) -> None:
    monkeypatch.setitem(LOSSES._entries, key, Entry(key, key, "for a test", build, knobs))


def test_switches_and_whole_numbers_are_given_to_a_loss_as_they_are(
    monkeypatch: pytest.MonkeyPatch, teacher: nn.Module
) -> None:
    """It may ask them, and pick so many classes; all else comes as tensors, in one call for many students."""
    calls: list[tuple[object, ...]] = []

    def top(
        logits: Tensor, guide: Tensor, labels: Tensor, *, classes: int, turned: bool, weight: float
    ) -> dict[str, Part]:
        calls.append((classes, turned, type(weight)))
        chosen = guide.topk(min(classes, guide.shape[-1])).indices
        distance = (log_softmax(logits) - log_softmax(guide)).gather(-1, chosen).square().mean()
        return {"top": Part(distance if turned else 2 * distance, weight)}

    register(
        monkeypatch, "top", top,
        Knob("classes", "Classes", 3, 1, 10, "so many", kind=int),
        Knob("turned", "Turned", True, False, True, "or not", kind=bool),
        Knob("weight", "Weight", 1.0, 0.0, 10.0, "of it"),
    )  # fmt: skip
    options = {"classes": [2, 5], "turned": [True, False], "weight": [1, 2, 3]}
    runs = distill_many("digits", teacher, "mlp:12x1", loss="top", transfer_size=256, **options, **SHORT)
    assert {run.result["trained_together"] for run in runs} == {13}
    # Twelve questions whether any weight is above 0, and four calls a step.
    assert Tally(calls) == {
        (classes, turned, kind): count
        for classes in (2, 5) for turned in (True, False) for kind, count in ((float, 3), (Tensor, 4))
    }  # fmt: skip
    for run in runs:
        assert_same_run(run, alone(run, teacher))


def test_every_student_is_told_the_teachers_logits_of_its_batch(
    monkeypatch: pytest.MonkeyPatch, teacher: nn.Module
) -> None:
    """Side by side, losses of two kinds get the same labels and the same guide, and logits of their own."""
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {"one": [], "two": []}

    def spy(name: str) -> Callable[..., Any]:
        def build(logits: Tensor, guide: Tensor, labels: Tensor, **knobs: float) -> dict[str, Part]:
            assert logits.shape == guide.shape
            assert not guide.requires_grad
            seen[name].append((guide, labels))
            return hinton(logits, guide, labels, **knobs)

        return build

    for name in seen:
        register(monkeypatch, name, spy(name), *LOSSES["hinton"].knobs)
    runs = distill_many("digits", teacher, "mlp:12x1", loss=["one", "two"], **SHORT)
    steps = [[pair for pair in seen[name] if len(pair[1]) == 128] for name in ("one", "two")]
    assert [len(made) for made in steps] == [20, 20]
    for (guide, labels), (other_guide, other_labels) in zip(*steps, strict=True):
        assert torch.equal(guide, other_guide)
        assert torch.equal(labels, other_labels)
    assert_same_weights(runs[0].student, runs[1].student)
    assert_same_weights(runs[0].student, distill("digits", teacher, "mlp:12x1", **SHORT).student)


# --- order and company ------------------------------------------------------------------------------------------------


def test_combinations_come_in_order_the_last_option_fastest(teacher: nn.Module) -> None:
    assert choices(a=[1, 2], b="xy", c=range(3, 5), d=(True,)) == [
        {"a": 1, "b": "xy", "c": 3, "d": True}, {"a": 1, "b": "xy", "c": 4, "d": True},
        {"a": 2, "b": "xy", "c": 3, "d": True}, {"a": 2, "b": "xy", "c": 4, "d": True},
    ]  # fmt: skip
    assert choices(a=1) == [{"a": 1}]
    assert choices(a=[], b=[1, 2]) == []
    # The groups in which they train come in another order: the wide first.
    names = ["mlp:4x1", "cnn:width=1", "mlp:16x1"]
    runs = distill_many("digits", teacher, names, temperature=[8, 1], **(SHORT | {"epochs": 1}))
    assert [(run.spec.student, run.spec.knobs["temperature"]) for run in runs] == [
        (name, temperature) for name in names for temperature in (8, 1)
    ]
    for run in runs:
        assert run.result["spec"]["student"] == run.spec.student
        size = sum(parameter.numel() for parameter in run.student.parameters())
        assert run.result["parameters"]["student"] == run.result["parameters"]["baseline"] == size
    assert [run.result["trained_together"] for run in runs] == [3, 3, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"student": "mlp:12x1", "seed": [0, 1], "batch_seed": 0}, [[0, 1]]),
        ({"student": "mlp:12x1", "seed": [0, 1]}, [[0], [1]]),
        ({"student": "mlp:12x1", "batch_seed": [0, 1]}, [[0], [1]]),
        ({"student": "mlp:12x1", "seed": [0, 1], "batch_seed": [0, 1]}, [[0, 2], [1, 3]]),
        ({"student": ["mlp:16x1", "mlp:8x1", "mlp:7x1", "mlp:15x1"]}, [[0, 1, 3], [2]]),
        ({"student": ["mlp:7x1", "mlp:14x1", "mlp:28x1"]}, [[1, 2], [0]]),
        ({"student": ["mlp:12x1", "mlp:12x2", "mlp:12x1:dropout=0.1"]}, [[0], [1], [2]]),
        ({"student": ["cnn:width=2", "cnn:width=2"]}, [[0], [1]]),
        ({"student": "mlp:12x1:input_dropout=0.2", "seed": [0, 1], "batch_seed": 0}, [[0], [1]]),
        ({"student": ["mlp:12x1:input_dropout=0.2", "mlp:9x1:input_dropout=0.2"]}, [[0, 1]]),
        ({"student": "mlp:12x1", "loss": ["hinton", "hinton"], "knobs": [{}, {"temperature": 2}]}, [[0, 1, 2, 3]]),
        *(
            ({"student": "mlp:12x1", field: list(values)}, [[0], [1]])
            for field, values in {
                "epochs": (1, 2), "batch_size": (32, 64), "learning_rate": (0.1, 0.2), "transfer_size": (10, 20),
                "augmentation": ("none", "shift"), "teaching": ("fixed", "consistent"),
                "precision": ("float32", "bfloat16"),
            }.items()
        ),
    ],
)  # fmt: skip
def test_networks_of_one_build_and_the_same_batches_train_together(
    options: dict[str, Any], expected: list[list[int]]
) -> None:
    data = load("digits")
    specs = [Spec(**choice) for choice in choices(**options)]
    modules = [make_network(spec.student, data, spec.seed, "student") for spec in specs]
    groups = group_compatible(specs, modules, torch.device("cpu"))
    assert sorted(groups) == sorted(map(sorted, expected))


def test_students_of_one_seed_and_build_share_their_baseline(teacher: nn.Module) -> None:
    runs = distill_many("digits", teacher, "mlp:12x1", seed=[0, 1], batch_seed=0, temperature=[1, 8], **SHORT)
    baselines = [run.baseline for run in runs]
    assert baselines[0] is baselines[1]
    assert baselines[2] is baselines[3]
    assert baselines[0] is not baselines[2]
    assert {run.result["trained_together"] for run in runs} == {6}
    assert len({id(run.student) for run in runs}) == 4


class Products(TorchDispatchMode):
    """Counts matrix products by their type."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Tally[torch.dtype] = Tally()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if function._schema.name in {"aten::addmm", "aten::baddbmm", "aten::mm", "aten::bmm", "aten::convolution"}:
            self.made[made.dtype] += 1
        return made


def test_eight_students_take_the_products_of_one(teacher: nn.Module) -> None:
    """But for the end, where each network is looked at on its own."""

    def count(temperatures: list[float]) -> int:
        with Products() as products:
            distill_many("digits", teacher, "mlp:12x1", temperature=temperatures, **SHORT)
        return sum(products.made.values())

    one, two, eight = (count([float(at + 1) for at in range(number)]) for number in (1, 2, 8))
    own = two - one  # two layers; the test images and the validation images, these for student, baseline and teacher
    assert own <= 10
    assert eight == one + 7 * own
    assert one > 20 * 5  # a step takes two products forward and three back


# --- precision, threads, the caller's state --------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["mlp:12x1", "cnn:width=2"])
def test_the_result_says_which_precision_was_used(student: str, teacher: nn.Module) -> None:
    for precision in ("float32", "bfloat16"):
        with Products() as products:
            (run,) = distill_many("digits", teacher, student, precision=precision, **SHORT)
        assert run.result["precision"] == dict.fromkeys(("teacher", "baseline", "student"), precision)
        assert bool(products.made[torch.bfloat16]) == (precision == "bfloat16")
        assert all(parameter.dtype == torch.float32 for parameter in run.student.parameters())
        assert products.made[torch.float32]  # a perceptron's last layer, and what is looked at when all is over
    (run,) = distill_many("digits", teacher, student, precision="auto", **SHORT)
    assert set(run.result["precision"].values()) == {"float32"}  # small networks, whatever the machine can do


def test_precision_does_not_depend_on_the_company(monkeypatch: pytest.MonkeyPatch, teacher: nn.Module) -> None:
    """Networks on either side of the size from which bfloat16 pays train apart, each as it would alone."""
    monkeypatch.setattr(device, "_multiplies_bfloat16", lambda device: True)
    monkeypatch.setattr(device, "MIN_BFLOAT16_PARAMETERS", 1_000)
    runs = distill_many("digits", teacher, ["mlp:12x1", "mlp:16x1"], precision="auto", **SHORT)
    assert [run.result["precision"]["student"] for run in runs] == ["float32", "bfloat16"]
    assert [run.result["precision"]["teacher"] for run in runs] == ["bfloat16", "bfloat16"]
    assert [run.result["trained_together"] for run in runs] == [2, 2]
    for run in runs:
        assert_same_run(run, alone(run, teacher))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("student", ["mlp:12x1:dropout=0.2", "cnn:width=2"])
def test_the_last_logits_of_a_run_are_those_of_the_network_that_it_returns(
    student: str, precision: str, teacher: nn.Module
) -> None:
    data = load("digits")
    options = SHORT | {"precision": precision}
    runs = [*distill_many("digits", teacher, student, temperature=[1, 8], **options)]
    runs.append(distill("digits", teacher, student, **options))
    for run in runs:
        for role in ("teacher", "student", "baseline"):
            logits, test = (predict(getattr(run, role), split) for split in (data.validation, data.test))
            assert torch.equal(torch.from_numpy(run.history.logits[role]), logits)
            wrong = int((logits.argmax(1) != data.validation.labels).sum())
            assert run.result["validation"][role]["errors"] == run.history.errors[role].values[-1] == wrong
            assert run.result[role]["errors"] == int((test.argmax(1) != data.test.labels).sum())


def test_the_callers_threads_and_random_state_are_given_back_whatever_happens(teacher: nn.Module) -> None:
    before, state = torch.get_num_threads(), torch.get_rng_state()
    kept = deepcopy(teacher.state_dict())
    try:
        torch.set_num_threads(3)
        fit_many("digits", "mlp:8x1:dropout=0.2", seed=[0, 1], **(SHORT | {"epochs": 1}))
        assert torch.get_num_threads() == 3
        distill_many("digits", teacher, ["mlp:8x1:dropout=0.2", "cnn:width=1"], **(SHORT | {"epochs": 1}))
        assert torch.get_num_threads() == 3
        hot = SHORT | {"learning_rate": 10.0, "epochs": 20}
        with pytest.raises(Diverged, match=r"the network \d's hard loss became .*; lower the learning rate"):
            fit_many("digits", "mlp:64x3", seed=[0, 1], batch_seed=0, **hot)
        with pytest.raises(Diverged, match=r"the (student|baseline) .* loss became .*; lower the learning rate"):
            distill_many("digits", teacher, "mlp:64x3", temperature=[1, 8], **hot)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in teacher.state_dict().items():
        assert torch.equal(kept[name], value)


def test_what_cannot_be_run_is_refused_before_anything_is_trained() -> None:
    """One bad combination among good ones is enough."""
    for options, complaint in [
        ({"transfer_size": [10, 5_000]}, "1,294"),
        ({"soft_weight": [0.5, 0.0], "hard_weight": 0.0}, "All weights of the loss are 0"),
        ({"student": ["mlp:8x1", "mlp:8"]}, "WIDTHxDEPTH"),
        ({"temperature": [1, -1]}, "Temperature"),
        ({"precision": ["float32", "float16"]}, "float16"),
        ({"tempreature": [1, 2]}, "tempreature"),
    ]:
        with Products() as products, pytest.raises(InputError, match=complaint):
            distill_many("digits", "mlp:8x1", **({"student": "mlp:8x1"} | options))
        assert not products.made


def test_no_combinations_are_no_runs(teacher: nn.Module) -> None:
    for taught in (teacher, "mlp:8x1"):
        assert distill_many("digits", taught, "mlp:8x1", seed=[]) == []
    assert fit_many("digits", "mlp:8x1", seed=range(0)) == []
