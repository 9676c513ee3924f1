"""What every network must be, and the names that are refused."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from kdlab import models
from kdlab.registry import MODELS, InputError, UnknownNameError

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def kinds(name: str) -> list[str]:
    """The layers of a perceptron as words, with the dropout's share."""
    layers = models.build(name, (1, 2, 2), 3).children()
    return [f"Dropout {layer.p}" if isinstance(layer, nn.Dropout) else type(layer).__name__ for layer in layers]


@pytest.mark.process
def test_listing_the_models_does_not_import_torch() -> None:
    code = "import sys, kdlab.models; assert not {'torch', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", MODELS.examples())
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_model_fits_the_images_and_learns_from_two_of_them(name: str, shape: tuple[int, int, int]) -> None:
    module = models.build(name, shape, 7)
    inputs = torch.rand(2, *shape)
    logits = module.train()(inputs)
    assert logits.shape == (2, 7)
    assert logits.dtype == torch.float32
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in module.parameters() if parameter.grad is not None)
    with torch.no_grad():
        assert module.eval()(inputs[:1]).shape == (1, 7)


@pytest.mark.parametrize("name", [name for name in MODELS.examples() if not name.startswith("mlp:1200")])
def test_weights_depend_on_torchs_seed_alone(name: str) -> None:
    def build(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(models.build(name, (1, 8, 8), 10).state_dict().values())

    with torch.random.fork_rng(devices=[]):
        first, again, other = build(0), build(0), build(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_sizes_of_the_papers_networks() -> None:
    shape = (1, 28, 28)
    assert size(models.build("mlp:800x2", shape, 10)) == 784 * 800 + 800 + 800 * 800 + 800 + 800 * 10 + 10
    large = 784 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 10 + 10
    assert size(models.build("mlp:1200x2", shape, 10)) == large
    assert size(models.build("mlp:1200x2:dropout=0.5:input_dropout=0.2", shape, 10)) == large


def test_dropout_stands_before_the_first_layer_and_behind_each_hidden_one() -> None:
    assert kinds("mlp:5x2") == ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    hidden = ["Linear", "ReLU", "Dropout 0.5"]
    assert kinds("mlp:5x2:dropout=0.5") == ["Flatten", *hidden, *hidden, "Linear"]
    assert kinds("mlp:5x1:input_dropout=0.2:dropout=0.5") == ["Flatten", "Dropout 0.2", *hidden, "Linear"]
    assert kinds("mlp:5x1:dropout=0:input_dropout=0.2") == ["Flatten", "Dropout 0.2", "Linear", "ReLU", "Linear"]


def test_width_of_the_convolutional_network() -> None:
    assert models.build("cnn:width=5", (3, 32, 32), 10).get_submodule("0").weight.shape == (5, 3, 3, 3)
    assert models.build("cnn", (3, 32, 32), 10).get_submodule("0").weight.shape == (32, 3, 3, 3)


def test_more_convolutions_and_dropout_in_the_convolutional_network() -> None:
    plain, deep = (models.build(name, (1, 8, 8), 10) for name in ("cnn:width=4", "cnn:width=4:convolutions=3"))
    widths = [
        [layer.weight.shape[:2] for layer in net.modules() if isinstance(layer, nn.Conv2d)] for net in (plain, deep)
    ]
    assert widths == [[(4, 1), (8, 4)], [(4, 1), (4, 4), (4, 4), (8, 4), (8, 8), (8, 8)]]
    assert not any(isinstance(part, nn.Dropout) for part in deep.modules())
    module = models.build("cnn:width=4:convolutions=2:dropout=0.3", (1, 8, 8), 10)
    (dropout,) = (part for part in module.modules() if isinstance(part, nn.Dropout))
    assert dropout.p == 0.3
    assert [type(part) for part in module.children()][-3:] == [nn.Flatten, nn.Dropout, nn.Linear]
    inputs = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        assert not torch.equal(module.train()(inputs), module(inputs))
        assert torch.equal(module.eval()(inputs), module(inputs))


@pytest.mark.parametrize("name", ["cnn", "cnn:width=3:convolutions=2:dropout=0.3", "resnet18", "mobilenet_v3_small"])
@pytest.mark.parametrize("shape", [(1, 13, 6), (3, 5, 31), (3, 1, 1)], ids=str)
def test_image_networks_take_images_of_any_size(name: str, shape: tuple[int, int, int]) -> None:
    with torch.no_grad():
        assert models.build(name, shape, 10).eval()(torch.rand(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize(("name", "last"), [("resnet18", 4), ("mobilenet_v3_small", 2)])
def test_small_images_keep_their_resolution_in_the_first_layers(name: str, last: int) -> None:
    def sides(pixels: int) -> tuple[int, int]:
        """The side of what the first and the last convolution return."""
        seen: list[int] = []
        module = models.build(name, (3, pixels, pixels), 10).eval()
        norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
        for layer in (norms[0], norms[-1]):
            layer.register_forward_hook(lambda _, __, output: seen.append(output.shape[-1]))
        with torch.no_grad():
            module(torch.rand(1, 3, pixels, pixels))
        return seen[0], seen[1]

    assert sides(32) == (32, last)
    assert sides(64) == (32, 2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mlp", "WIDTHxDEPTH, for example mlp:800x2"),
        ("mlp:", "WIDTHxDEPTH"),
        ("mlp:800", "WIDTHxDEPTH"),
        ("mlp:800x", "WIDTHxDEPTH"),
        ("mlp:-8x2", "WIDTHxDEPTH"),
        ("mlp:0x2", "Width .* from 1 to"),
        ("mlp:8x0", "Hidden layers|Depth .* from 1 to"),
        ("mlp:99999x2", "Width .* from 1 to"),
        ("mlp:8x2:dropout=2", "cannot take 'dropout=2'.* from 0 to 0.99"),
        ("mlp:8x2:dropout=nan", "cannot take 'dropout=nan'"),
        ("mlp:8x2:dropout=", "cannot take 'dropout='"),
        ("mlp:8x2:dropout", "does not understand 'dropout'"),
        ("mlp:8x2:foo=1", r"does not understand 'foo=1'.* dropout=…, input_dropout=…"),
        ("cnn:width=x", "cannot take 'width=x'.* from 1 to"),
        ("cnn:width=0", "cannot take 'width=0'"),
        ("cnn:convolutions=0", "cannot take 'convolutions=0'.* from 1 to"),
        ("cnn:convolutions=1.5", "cannot take 'convolutions=1.5'"),
        ("cnn:dropout=1", "cannot take 'dropout=1'.* from 0 to 0.99"),
        ("mlp:8x2:max_norm=-1", "cannot take 'max_norm=-1'.* from 0 to"),
        ("mlp:8x2:max_norm=nan", "cannot take 'max_norm=nan'"),
        ("cnn:8", "does not understand '8'.* width=…"),
        ("resnet18:foo=1", "does not understand 'foo=1'.* none"),
        ("mobilenet_v3_small:foo=1", "does not understand 'foo=1'.* none"),
    ],
)
def test_a_malformed_name_is_refused_in_one_sentence(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        models.build(name, (1, 8, 8), 10)
    message = str(caught.value)
    assert message.endswith(".")
    assert ". " not in message
    assert "\n" not in message


def test_an_unknown_name_lists_the_known_ones_and_guesses() -> None:
    with pytest.raises(UnknownNameError, match=r"no model 'resnet8'.*Did you mean 'resnet18'\?") as caught:
        models.build("resnet8", (1, 8, 8), 10)
    assert all(name in str(caught.value) for name in MODELS.examples())
    with pytest.raises(UnknownNameError) as caught:
        models.build("transformer-xl", (1, 8, 8), 10)
    assert "Did you mean" not in str(caught.value)
