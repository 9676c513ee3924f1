"""Perceptrons as one program: the same logits, steps and dropped units as each alone, and nothing else let in."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from kdlab import models
from kdlab.datasets import load
from kdlab.distillation.distill import fit
from kdlab.distillation.many import fit_many
from kdlab.losses.hinton import hinton
from kdlab.metrics.classification import count_errors
from kdlab.registry import MODELS, InputError
from kdlab.train import device
from kdlab.train.device import choose_precision, count_operations
from kdlab.train.evaluate import predict
from kdlab.train.group import GroupTrainer, Learner, hard_loss, make_groups
from kdlab.train.seeding import generator, seeded
from kdlab.train.single_module import SingleModule
from kdlab.train.stacked_mlp import MLPSignature, StackedMLP, mlp_signature

CPU = torch.device("cpu")
KNOBS = {"temperature": 4.0, "soft_weight": 0.9, "hard_weight": 0.1, "t_squared": True}


def build(name: str, seed: int = 0) -> nn.Module:
    with seeded(CPU, seed, "test"):
        return models.build(name, (1, 8, 8), 10)


def batch(number: int = 0, size: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs and labels of a batch of digits, and logits as a teacher might have them."""
    index = torch.arange(number * size, (number + 1) * size)
    train = load("digits").train
    guide = 3 * torch.randn(size, 10, generator=torch.Generator().manual_seed(number))
    return train.inputs(index), train.labels[index], guide


def weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach() for parameter in module.parameters()]


def errors(module: nn.Module) -> int:
    test = load("digits").test
    return count_errors(predict(module, test).numpy(), test.labels.numpy())


# --- what can be stacked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mlp:16x1", MLPSignature(64, 2, 10, (0.0, 0.0), 0.0)),
        ("mlp:7x3", MLPSignature(64, 4, 10, (0.0, 0.0, 0.0, 0.0), 0.0)),
        ("mlp:8x2:dropout=0.5", MLPSignature(64, 3, 10, (0.0, 0.5, 0.5), 0.0)),
        ("mlp:8x1:input_dropout=0.2", MLPSignature(64, 2, 10, (0.2, 0.0), 0.0)),
        ("mlp:8x2:dropout=0.5:input_dropout=0.2", MLPSignature(64, 3, 10, (0.2, 0.5, 0.5), 0.0)),
        ("mlp:8x1:max_norm=2.5", MLPSignature(64, 2, 10, (0.0, 0.0), 2.5)),
    ],
)
def test_a_perceptron_of_the_registry_has_a_plan(name: str, expected: MLPSignature) -> None:
    assert mlp_signature(build(name)) == mlp_signature(build(name).eval()) == expected


def test_all_perceptrons_that_are_offered_have_a_plan_and_other_networks_have_none() -> None:
    for name in MODELS["mlp"].examples:
        assert mlp_signature(build(name)) is not None
    assert mlp_signature(build("cnn:width=2")) is None


class Own(nn.Linear):
    """Looks like a linear layer, and may work otherwise."""


class Chain(nn.Sequential):
    """Looks like a sequence, and may work otherwise."""


def layers(*hidden: nn.Module) -> nn.Sequential:
    """A perceptron with these modules between its two linear layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), *hidden, nn.Linear(16, 10))


def with_forward_hook(module: nn.Sequential) -> None:
    module[1].register_forward_hook(lambda module, inputs, output: 2 * output)


def with_forward_pre_hook(module: nn.Sequential) -> None:
    module.register_forward_pre_hook(lambda module, inputs: None)


def with_backward_hook(module: nn.Sequential) -> None:
    module[3].register_full_backward_hook(lambda module, before, after: None)


def with_backward_pre_hook(module: nn.Sequential) -> None:
    module[3].register_full_backward_pre_hook(lambda module, gradients: None)


def with_gradient_hook(module: nn.Sequential) -> None:
    module[1].bias.register_hook(torch.zeros_like)


def with_own_forward(module: nn.Sequential) -> None:
    inner = module[1].forward
    module[1].forward = lambda inputs: inner(inputs) + 1


def with_frozen_layer(module: nn.Sequential) -> None:
    module[3].requires_grad_(False)


def with_parametrization(module: nn.Sequential) -> None:
    nn.utils.parametrizations.weight_norm(module[1])


def with_parameter_of_its_own(module: nn.Sequential) -> None:
    module.register_parameter("scale", nn.Parameter(torch.ones(3)))


def altered(alter: Callable[[nn.Sequential], None]) -> nn.Sequential:
    module = layers(nn.ReLU())
    alter(module)
    return module


def tied(whole: bool) -> nn.Sequential:
    """Two hidden layers that share all, or their weights alone."""
    first, second = nn.Linear(16, 16), nn.Linear(16, 16)
    second.weight = first.weight
    return layers(nn.ReLU(), first, nn.ReLU(), first if whole else second, nn.ReLU())


REFUSED = {
    "forward hook": lambda: altered(with_forward_hook),
    "forward pre-hook": lambda: altered(with_forward_pre_hook),
    "backward hook": lambda: altered(with_backward_hook),
    "backward pre-hook": lambda: altered(with_backward_pre_hook),
    "gradient hook": lambda: altered(with_gradient_hook),
    "forward of its own": lambda: altered(with_own_forward),
    "frozen layer": lambda: altered(with_frozen_layer),
    "parametrization": lambda: altered(with_parametrization),
    "parameter of its own": lambda: altered(with_parameter_of_its_own),
    "a layer used twice": lambda: tied(whole=True),
    "weights used twice": lambda: tied(whole=False),
    "subclassed layer": lambda: nn.Sequential(nn.Flatten(), Own(64, 16), nn.ReLU(), nn.Linear(16, 10)),
    "subclassed sequence": lambda: Chain(*layers(nn.ReLU())),
    "another module": lambda: layers(nn.ReLU()).append(nn.Identity()),
    "no bias": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 16, bias=False), nn.ReLU(), nn.Linear(16, 10)),
    "sigmoid": lambda: layers(nn.Sigmoid()),
    "no activation": lambda: layers(),
    "two activations": lambda: layers(nn.ReLU(), nn.ReLU()),
    "activation at the end": lambda: layers(nn.ReLU()).append(nn.ReLU()),
    "batch norm": lambda: layers(nn.BatchNorm1d(16), nn.ReLU()),
    "other dropout": lambda: layers(nn.ReLU(), nn.AlphaDropout(0.1)),
    "dropout before the activation": lambda: layers(nn.Dropout(0.1), nn.ReLU()),
    "dropout twice": lambda: layers(nn.ReLU(), nn.Dropout(0.1), nn.Dropout(0.1)),
    "dropout at the end": lambda: layers(nn.ReLU()).append(nn.Dropout(0.1)),
    "no hidden layer": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
    "other flattening": lambda: nn.Sequential(nn.Flatten(2), nn.Flatten(1), *layers(nn.ReLU())[1:]),
    "nested": lambda: nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(64, 16), nn.ReLU()), nn.Linear(16, 10)),
}


# Python copies these without what makes them special.
COPIED_OTHERWISE = {"gradient hook", "forward of its own"}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_plain_perceptron_trains_alone_and_as_it_is(what: str) -> None:
    with seeded(CPU, 0, what):
        module = REFUSED[what]()
    assert mlp_signature(module) is None
    (team,) = make_groups([Learner("one", module, 0)], torch.float32, "test")
    assert isinstance(team.network, SingleModule)
    before = deepcopy(module.state_dict())
    if what in COPIED_OTHERWISE:
        with pytest.raises(InputError, match="copies are trained"):
            fit("digits", module, epochs=4)
        return
    trained: Any = fit("digits", module, epochs=4, batch_size=32, learning_rate=1e-2)
    assert errors(trained) < 200  # of 360; guessing makes 324
    after = trained.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    kept = {"frozen layer": {"3.weight", "3.bias"}, "parameter of its own": {"scale"}}.get(what, set())
    assert set(after) - changed == kept
    if what == "weights used twice":
        assert trained[3].weight is trained[5].weight


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(),
        nn.Sequential(nn.Flatten()),
        nn.Linear(64, 10),
        layers(nn.ReLU()).double(),
        layers(nn.ReLU()).bfloat16(),
        layers(nn.ReLU(), nn.Dropout(1.0)),
        nn.Sequential(*layers(nn.ReLU())[1:]),
    ],
    ids=["empty", "flattening", "layer", "float64", "bfloat16", "all dropped", "no flattening"],
)
def test_what_else_has_no_plan(module: nn.Module) -> None:
    assert mlp_signature(module) is None


def test_networks_of_different_plans_are_not_stacked() -> None:
    with pytest.raises(ValueError, match="unpack"):
        StackedMLP([build("mlp:8x1"), models.build("mlp:8x1", (1, 8, 8), 5)], torch.float32)
    for names in (("mlp:8x1", "mlp:8x2", "cnn:width=2"), ("mlp:8x1", "mlp:8x1:max_norm=1", "mlp:8x1:max_norm=2")):
        learners = [Learner(name, build(name), 0) for name in names]
        assert [len(team.learners) for team in make_groups(learners, torch.float32, "test")] == [1, 1, 1]


# --- logits -----------------------------------------------------------------------------------------------------------

COMPANIES = [["mlp:16x1"], ["mlp:16x1"] * 3, ["mlp:16x2", "mlp:11x2", "mlp:16x2"], ["mlp:3x3", "mlp:9x3"]]


def company(names: list[str]) -> list[nn.Module]:
    return [build(name, seed) for seed, name in enumerate(names)]


def team_of(modules: list[nn.Module], dtype: torch.dtype = torch.float32, **rest: Any) -> GroupTrainer:
    learners = [Learner(str(at), module, at, **rest) for at, module in enumerate(modules)]
    (team,) = make_groups(learners, dtype, "test")
    assert isinstance(team.network, StackedMLP)
    return team


def alone(modules: list[nn.Module], inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.stack([module(inputs) for module in modules])


@pytest.mark.parametrize("names", COMPANIES)
def test_a_stacks_logits_are_its_networks_own_before_and_after_training(names: list[str]) -> None:
    modules, (inputs, labels, guide) = company(names), batch()
    before = [deepcopy(weights(module)) for module in modules]
    team = team_of(modules, loss=hinton, knobs=KNOBS)
    parameters = sum(parameter.numel() for module in modules for parameter in module.parameters())
    for steps in (0, 4):
        for _ in range(steps):
            team.step(inputs, labels, guide, 1e-2)
        team.network.write_back()
        logits = team.network.logits(inputs).detach()
        assert logits.shape == (len(names), 64, 10)
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, alone(modules, inputs), rtol=1e-5, atol=1e-5)
        # Units that fill a narrower network up stay exactly zero.
        (master,) = team.network.parameters
        assert int(master.count_nonzero()) == parameters
    for module, old in zip(modules, before, strict=True):
        assert not any(map(torch.equal, weights(module), old))


@pytest.mark.parametrize("names", COMPANIES)
def test_logits_in_bfloat16_are_close_and_the_weights_stay_exact(names: list[str]) -> None:
    modules, (inputs, labels, guide) = company(names), batch()
    team = team_of(modules, torch.bfloat16, loss=hinton, knobs=KNOBS)
    for rate in (1e-2, 1e-2, 1e-7):
        team.step(inputs.bfloat16(), labels, guide, rate)
    team.network.write_back()
    exact, logits = alone(modules, inputs), team.network.logits(inputs.bfloat16()).detach()
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, exact)
    # Eight bits for each number: a few steps of 2⁻⁹ of what is summed up.
    assert float((logits - exact).abs().max() / exact.std()) < 0.03
    # The last layer is float32, so the logits are no coarser than that.
    assert not torch.equal(logits, logits.bfloat16().float())
    # A change far below bfloat16's steps is kept.
    before = deepcopy(weights(modules[0]))
    team.step(inputs.bfloat16(), labels, guide, 1e-7)
    team.network.write_back()
    for old, new in zip(before, weights(modules[0]), strict=True):
        assert not torch.equal(old, new)
        torch.testing.assert_close(old, new, rtol=0, atol=1e-6)


# --- steps ------------------------------------------------------------------------------------------------------------


def step_alone(modules: list[nn.Module], steps: int, own: list[dict[str, float]]) -> list[list[float]]:
    """Train each as any loop with torch's Adam would, and return the parts of the last losses."""
    parts = []
    for module, knobs in zip(modules, own, strict=True):
        adam = torch.optim.Adam([one for one in module.parameters() if one.requires_grad])
        for step in range(steps):
            inputs, labels, guide = batch(step % 20)
            found = hinton(module(inputs), guide, labels, **knobs)
            adam.zero_grad()
            sum(part.weight * part.value for part in found.values()).backward()
            for group in adam.param_groups:
                group["lr"] = 1e-2 / (1 + step / 10)
            adam.step()
        parts.append([part.value.item() for part in found.values()])
    return parts


def step_together(modules: list[nn.Module], steps: int, own: list[dict[str, float]]) -> list[list[float]]:
    learners = [
        Learner(str(at), module, 0, hinton, knobs) for at, (module, knobs) in enumerate(zip(modules, own, strict=True))
    ]
    teams = list(make_groups(learners, torch.float32, "test"))
    parts: dict[str, list[float]] = {}
    for team in teams:
        for step in range(steps):
            values = team.step(*batch(step % 20), 1e-2 / (1 + step / 10))
        for (name, _), value in zip(team.loss_names, values.tolist(), strict=True):
            parts.setdefault(name, []).append(value)
        team.network.write_back()
    return [parts[learner.name] for learner in learners]


@pytest.mark.parametrize("names", [*COMPANIES, ["cnn:width=2"]])
@pytest.mark.parametrize("steps", [1, 40])
def test_a_step_is_that_of_autograd_and_torchs_adam(names: list[str], steps: int) -> None:
    own: list[dict[str, float]] = [
        KNOBS,
        KNOBS | {"temperature": 1.5, "t_squared": False},
        KNOBS | {"temperature": 9.0, "soft_weight": 0.3, "hard_weight": 0.7},
    ][: len(names)]
    modules, references = company(names), [module.train() for module in company(names)]
    expected, made = step_alone(references, steps, own), step_together(modules, steps, own)
    torch.testing.assert_close(torch.tensor(made), torch.tensor(expected), rtol=1e-5, atol=1e-6)
    for module, reference in zip(modules, references, strict=True):
        for name, value in reference.state_dict().items():
            torch.testing.assert_close(module.state_dict()[name], value, rtol=1e-5, atol=1e-5)


def test_knobs_that_are_turned_count_at_the_next_step() -> None:
    """Alone in its way, as a student on the page is, and side by side."""
    for count in (1, 2):
        knobs = [dict(KNOBS) for _ in range(count)]
        modules = company(["mlp:16x1"] * count)
        learners = [Learner(str(at), module, 0, hinton, knobs[at]) for at, module in enumerate(modules)]
        (team,) = make_groups(learners, torch.float32, "test")
        team.step(*batch(0), 1e-2)
        team.network.write_back()
        turned = deepcopy(modules)
        for own in knobs:
            own["temperature"] = 20.0
        values = team.step(*batch(1), 1e-2).reshape(2, count)
        inputs, labels, guide = batch(1)
        for at, module in enumerate(turned):
            expected = hinton(module(inputs), guide, labels, **(KNOBS | {"temperature": 20.0}))["soft"].value.item()
            assert float(values[0, at]) == pytest.approx(expected, rel=1e-4)


def test_a_frozen_and_an_unused_parameter_are_left_exactly_alone() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    module[1].weight.requires_grad_(False)
    module.register_parameter("spare", nn.Parameter(torch.ones(5)))
    frozen = module[1].weight.clone()
    (team,) = make_groups([Learner("one", module, 0, hinton, KNOBS)], torch.float32, "test")
    bias = module[1].bias.detach().clone()
    for step in range(3):
        team.step(*batch(step), 1e-2)
    assert torch.equal(module[1].weight, frozen)
    assert torch.equal(module.spare, torch.ones(5))
    assert not torch.equal(module[1].bias, bias)


def test_one_networks_ruin_does_not_touch_its_neighbours() -> None:
    modules = company(["mlp:16x2", "mlp:11x2", "mlp:16x2"])
    with torch.no_grad():
        modules[0][1].weight.fill_(math.nan)
    healthy = deepcopy(modules[1:])
    step_together(modules, 3, [KNOBS] * 3)
    step_together(healthy, 3, [KNOBS] * 2)
    assert modules[0][1].weight.isnan().all()
    for module, reference in zip(modules[1:], healthy, strict=True):
        for one, other in zip(weights(module), weights(reference), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


class Counter(TorchDispatchMode):
    """Counts the operations that torch makes, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.made.append(function._schema.name.removeprefix("aten::"))
        return function(*args, **(kwargs or {}))


def test_eight_students_make_as_many_operations_as_two() -> None:
    def operations(count: int) -> Counter:
        modules = [build("mlp:16x2", seed) for seed in range(count)]
        knobs = [KNOBS | {"temperature": 1.0 + at} for at in range(count)]
        learners = [Learner(str(at), module, at, hinton, knobs[at]) for at, module in enumerate(modules)]
        learners += [Learner("baseline", build("mlp:16x2"), 0), Learner("other", build("mlp:16x2"), 1)]
        (team,) = make_groups(learners, torch.float32, "test")
        inputs = batch()
        team.step(*inputs, 1e-2)
        with Counter() as counter:
            team.step(*inputs, 1e-2)
        return counter

    two, eight = operations(2), operations(8)
    assert eight.made.count("addmm") == 1  # the first layer of all ten networks
    assert eight.made.count("baddbmm") == 2
    assert eight.made.count("_fused_adam_") == 1
    products = ("addmm", "mm", "bmm", "baddbmm", "_fused_adam_", "copy_")
    assert [eight.made.count(name) for name in products] == [two.made.count(name) for name in products]


# --- max-norm ---------------------------------------------------------------------------------------------------------

MOST = 0.4  # less than most units' weights measure at first


def lengths(module: nn.Module) -> list[Tensor]:
    """How long each unit's incoming weights are, layer by layer."""
    return [layer.weight.detach().norm(dim=1) for layer in module.modules() if isinstance(layer, nn.Linear)]


def unstackable(name: str, seed: int = 0) -> nn.Module:
    """The same perceptron as one of another build, which trains alone."""
    inner = build(name, seed)
    module = Chain(*inner)
    module.max_norm = inner.max_norm  # type: ignore[assignment]
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "make",
    [
        lambda: company([f"mlp:16x1:max_norm={MOST}"]),
        lambda: company([f"mlp:16x2:max_norm={MOST}"] * 3),
        lambda: company([f"mlp:{width}x2:max_norm={MOST}" for width in (16, 11, 16, 12)]),
        lambda: company([f"mlp:16x2:dropout=0.3:input_dropout=0.2:max_norm={MOST}"]),
        lambda: [unstackable(f"mlp:16x2:max_norm={MOST}")],
    ],
    ids=["one", "three", "widths", "dropout", "solo"],
)
def test_max_norm_is_held_after_every_step(make: Callable[[], list[nn.Module]], dtype: torch.dtype) -> None:
    modules = make()
    assert any((own > MOST).any() for module in modules for own in lengths(module)[:-1])
    learners = [Learner(str(at), module, at, hinton, KNOBS) for at, module in enumerate(modules)]
    (team,) = make_groups(learners, dtype, "test")
    reached = 0
    for step in range(8):
        inputs, labels, guide = batch(step)
        team.step(inputs.to(dtype), labels, guide, 3e-2)
        team.network.write_back()
        for module in modules:
            *hidden, last = lengths(module)
            for own in hidden:
                assert float(own.max()) <= MOST * (1 + 1e-6)
                reached += int((own > MOST * (1 - 1e-5)).sum())
    assert reached > 0
    assert float(last.max()) > MOST  # the last layer is free
    if isinstance(team.network, StackedMLP):  # units that fill a narrower network up stay exactly zero
        (master,) = team.network.parameters
        assert int(master.count_nonzero()) == sum(one.numel() for module in modules for one in module.parameters())
        assert master.isfinite().all()


@pytest.mark.parametrize("make", [build, unstackable])
@pytest.mark.parametrize("names", [["mlp:16x1"], ["mlp:16x2", "mlp:11x2", "mlp:16x2"]])
def test_max_norm_is_that_of_a_plain_loop(names: list[str], make: Callable[[str, int], nn.Module]) -> None:
    def own(make: Callable[[str, int], nn.Module]) -> list[nn.Module]:
        return [make(f"{name}:max_norm={MOST}", seed) for seed, name in enumerate(names)]

    modules, references = own(make), own(build)
    made = step_together(modules, 20, [KNOBS] * len(names))
    for at, module in enumerate(references):
        adam = torch.optim.Adam(module.parameters())
        linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        for step in range(20):
            inputs, labels, guide = batch(step)
            found = hinton(module(inputs), guide, labels, **KNOBS)
            adam.zero_grad()
            sum(part.weight * part.value for part in found.values()).backward()  # type: ignore[union-attr]
            adam.param_groups[0]["lr"] = 1e-2 / (1 + step / 10)
            adam.step()
            for layer in linear[:-1]:
                layer.weight.data = torch.renorm(layer.weight.data, 2, 0, MOST)
        assert made[at] == pytest.approx([part.value.item() for part in found.values()], rel=1e-4)
        assert any((own > 0.99 * MOST).any() for own in lengths(module)[:-1])
        torch.testing.assert_close(weights(modules[at]), weights(module), rtol=1e-4, atol=1e-5)


def test_without_a_max_norm_weights_grow_as_they_like() -> None:
    modules = company(["mlp:16x2", "mlp:16x2"])
    step_together(modules, 20, [KNOBS] * 2)
    assert all(float(own.max()) > MOST for module in modules for own in lengths(module))


# --- dropout ----------------------------------------------------------------------------------------------------------


def mirror(width: int, share: float) -> nn.Module:
    """A network whose logits are its hidden units, each 1 unless it is dropped; classes beyond its width are 0."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Dropout(share), nn.Linear(width, 10))
    with torch.no_grad():
        for at, weight in ((1, torch.zeros(width, 64)), (4, torch.eye(10, width))):
            module[at].weight.copy_(weight)
            module[at].bias.fill_(1.0 if at == 1 else 0.0)
    return module


def masks(learners: list[Learner], dtype: torch.dtype = torch.float32, steps: int = 2) -> Tensor:
    """What a stack keeps, (steps, networks, batch, units)."""
    (team,) = make_groups(learners, dtype, "test")
    assert isinstance(team.network, StackedMLP)
    inputs = torch.rand(4000, 1, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    return torch.stack([team.network.logits(inputs, training=True).detach() for _ in range(steps)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_the_asked_share_is_dropped_and_the_mean_stays(share: float, dtype: torch.dtype) -> None:
    found = masks([Learner(str(seed), mirror(10, share), seed) for seed in range(3)], dtype)
    values = found.unique()
    assert len(values) == 2
    assert values[0] == 0
    assert float(values[1]) == pytest.approx(1 / (1 - share), rel=1e-6 if dtype == torch.float32 else 2**-8)
    for mask in found.flatten(0, 1):
        spread = math.sqrt(share * (1 - share) / mask.numel())
        assert float((mask == 0).float().mean()) == pytest.approx(share, abs=4 * spread)
        # Unit by unit and image by image: no row or column is dropped as a whole.
        assert float((mask == 0).float().mean(0).std()) < 4 * spread * math.sqrt(10)
        assert float((mask == 0).float().mean(1).std()) == pytest.approx(math.sqrt(share * (1 - share) / 10), rel=0.1)


def test_nothing_is_dropped_in_evaluation() -> None:
    (team,) = make_groups([Learner(str(at), mirror(10, 0.5), at) for at in range(2)], torch.float32, "test")
    assert torch.equal(team.network.logits(torch.rand(50, 1, 8, 8)), torch.ones(2, 50, 10))
    assert all(torch.equal(logits, torch.ones(360, 10)) for logits in team.predict(load("digits").test).values())


def test_each_network_drops_what_it_would_alone() -> None:
    """Networks of one seed and build drop the same units, those of another seed others, filled up or not."""
    learners = [
        Learner("student", mirror(10, 0.3), 0),
        Learner("baseline", mirror(10, 0.3), 0),
        Learner("other seed", mirror(10, 0.3), 1),
        Learner("narrow", mirror(6, 0.3), 0),
        Learner("narrow, other seed", mirror(6, 0.3), 1),
    ]
    found = masks(learners)
    for at, learner in enumerate(learners):
        assert torch.equal(found[:, at], masks([learner])[:, 0])
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(masks(learners[:2])[:, 1], found[:, 1])
    assert not found[:, 3:, :, 6:].any()
    for one, other in ((found[:, 0], found[:, 2]), (found[:, 3], found[:, 4]), (found[0], found[1])):
        same = float((one == other)[..., :6].float().mean())
        assert same == pytest.approx(0.7**2 + 0.3**2, abs=0.02)  # as chance has it


def test_dropped_inputs_are_those_that_each_would_drop_alone() -> None:
    """Also where networks of several seeds, or widths, meet in one stack."""

    def network(width: int) -> nn.Module:
        module = nn.Sequential(nn.Flatten(), nn.Dropout(0.4), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
        with torch.no_grad():
            for at, weight in ((2, torch.eye(width, 64)), (4, torch.eye(10, width))):
                module[at].weight.copy_(weight)
                module[at].bias.zero_()
        return module

    inputs = torch.ones(3000, 1, 8, 8)
    stack = StackedMLP(
        [network(10), network(10), network(8)], torch.float32, [generator(seed, "x") for seed in (0, 1, 0)]
    )
    for _ in range(2):
        found = stack.logits(inputs, training=True)
        assert found.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
        assert float((found[:, :, :8] == 0).float().mean()) == pytest.approx(0.4, abs=0.01)
        assert not torch.equal(found[0], found[1])
    for at, seed in enumerate((0, 1, 0)):
        single = StackedMLP([network((10, 10, 8)[at])], torch.float32, [generator(seed, "x")])
        single.logits(inputs, training=True)
        assert torch.equal(single.logits(inputs, training=True)[0], found[at])


@pytest.mark.parametrize("options", ["dropout=0.4", "dropout=0.4:input_dropout=0.2"])
def test_with_dropout_a_network_ends_as_it_would_alone(options: str) -> None:
    kinds = [(f"mlp:{width}x2:{options}", seed) for width, seed in ((16, 0), (16, 1), (11, 0), (16, 0))]

    def train(chosen: list[int]) -> list[nn.Module]:
        modules = [build(*kinds[at]) for at in chosen]
        learners = [
            Learner(str(at), module, kinds[at][1], hinton, KNOBS) for at, module in zip(chosen, modules, strict=True)
        ]
        for team in make_groups(learners, torch.float32, "test"):
            for step in range(5):
                team.step(*batch(step), 1e-2)
            team.network.write_back()
        return modules

    together = train([0, 1, 2, 3])
    for at, module in enumerate(together):
        (single,) = train([at])
        for one, other in zip(weights(module), weights(single), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    for one, other in zip(weights(together[0]), weights(together[3]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


# --- precision and work -----------------------------------------------------------------------------------------------


def depthwise() -> nn.Module:
    return nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, groups=64), nn.Flatten(), nn.Linear(4096, 10))


def test_precision_is_as_asked_or_what_is_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large, grouped = build("mlp:32x1"), build("mlp:256x2"), depthwise()
    convolutions = build("cnn:width=64")
    cuda = torch.device("cuda")
    for able in (True, False):
        monkeypatch.setattr(device, "_multiplies_bfloat16", lambda device, able=able: able)
        for module in (small, large, grouped):
            assert choose_precision("float32", module, CPU) == torch.float32
            assert choose_precision("bfloat16", module, CPU) == torch.bfloat16
        fast = torch.bfloat16 if able else torch.float32
        assert choose_precision("auto", small, CPU) == choose_precision("auto", small, cuda) == torch.float32
        assert choose_precision("auto", large, CPU) == choose_precision("auto", large, cuda) == fast
        assert choose_precision("auto", convolutions, CPU) == fast
        assert choose_precision("auto", grouped, CPU) == torch.float32
        assert choose_precision("auto", grouped, cuda) == fast


@pytest.mark.process
@pytest.mark.parametrize("network", ["mlp:32x1", "mlp:24x2:dropout=0.2"])
def test_errors_in_bfloat16_are_those_of_float32_but_for_noise(network: str) -> None:
    found = {
        precision: torch.tensor(
            [
                float(errors(module))
                for module in fit_many(
                    "digits", network, epochs=6, seed=range(5), batch_size=32, learning_rate=3e-3, precision=precision
                )
            ]
        )
        for precision in ("float32", "bfloat16")
    }
    exact, rounded = found["float32"], found["bfloat16"]
    assert exact.mean() < 90  # of 360: they have learnt
    noise = math.sqrt(float(exact.var() + rounded.var()) / 5)
    assert abs(float(exact.mean() - rounded.mean())) <= noise


@pytest.mark.parametrize("name", ["mlp:16x1", "mlp:24x3:dropout=0.2:input_dropout=0.1", "cnn:width=2"])
def test_operations_of_a_batch_are_counted_alike_for_all_networks(name: str) -> None:
    """A perceptron's are known without running it."""
    module, (inputs, _, _) = build(name).train(), batch()
    wrapped = nn.Sequential(module)
    assert mlp_signature(wrapped) is None
    assert count_operations(module, inputs) == count_operations(wrapped, inputs) > 0
    assert module.training


def test_the_baselines_loss_is_plain_cross_entropy() -> None:
    inputs, labels, _ = batch()
    logits = build("mlp:16x1")(inputs)
    (part,) = hard_loss(logits, None, labels).values()
    torch.testing.assert_close(part.value, nn.functional.cross_entropy(logits, labels))
    assert part.weight == 1
