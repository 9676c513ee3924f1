"""Networks without torch: the same answers from the layer list, and what cannot be written as one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kdlab import models
from kdlab.io.portable_network import portable, read, write
from kdlab.registry import InputError

CNN = ["convolution", "relu", "pool", "convolution", "relu", "pool", "linear"]


def build(name: str, shape: tuple[int, int, int]) -> nn.Module:
    """A network with the statistics of one that was trained for long: no mean is 0 and no scale 1."""
    torch.manual_seed(0)
    module = models.build(name, shape, 10)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.weight, part.bias, part.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(part.running_var, 0.01, 3)
    return module.eval()


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("oikl,iyxkl->oyx", weight, windows) + bias[:, None, None]


def pool(x: np.ndarray) -> np.ndarray:
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, height % 2), (0, width % 2)), constant_values=-np.inf)
    return padded.reshape(len(x), (height + 1) // 2, 2, (width + 1) // 2, 2).max(axis=(2, 4))


def forward(layers: list[dict], weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Logits of one image (channels, height, width), from the documentation of the layers alone."""
    rest = weights.astype(np.float64)

    def take(*shape: int) -> np.ndarray:
        nonlocal rest
        taken, rest = np.split(rest, [int(np.prod(shape))])
        return taken.reshape(shape)

    for layer in layers:
        match layer["kind"]:
            case "convolution":
                outputs, inputs, kernel = layer["outputs"], layer["inputs"], layer["kernel"]
                x = convolve(x, take(outputs, inputs, kernel, kernel), take(outputs))
            case "linear":
                x = take(layer["outputs"], layer["inputs"]) @ x.ravel() + take(layer["outputs"])
            case "relu":
                x = np.maximum(x, 0)
            case "pool":
                x = pool(x)
    assert not len(rest)
    return x


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 7, 9), (3, 13, 6), (3, 1, 1)], ids=str)
@pytest.mark.parametrize("name", ["mlp:30x2", "mlp:20x1:dropout=0.5:input_dropout=0.2", "cnn:width=4", "cnn:width=16"])
def test_the_layer_list_predicts_what_torch_predicts(name: str, shape: tuple[int, int, int]) -> None:
    module = build(name, shape)
    layers, weights = portable(module)
    assert weights.dtype == np.float32
    assert weights.ndim == 1
    images = torch.rand(3, *shape)
    with torch.no_grad():
        logits = module.double()(images.double()).numpy()
    ours = np.stack([forward(layers, weights, image.numpy()) for image in images])
    assert np.abs(logits).max() > 0.1
    np.testing.assert_allclose(ours, logits, rtol=1e-5, atol=1e-5)


def test_the_layers_are_plain() -> None:
    layers, weights = portable(build("mlp:30x2:dropout=0.5", (1, 28, 28)))
    assert layers == [
        {"kind": "linear", "inputs": 784, "outputs": 30},
        {"kind": "relu"},
        {"kind": "linear", "inputs": 30, "outputs": 30},
        {"kind": "relu"},
        {"kind": "linear", "inputs": 30, "outputs": 10},
    ]
    assert len(weights) == 784 * 30 + 30 + 30 * 30 + 30 + 30 * 10 + 10
    layers, weights = portable(build("cnn:width=4", (1, 28, 28)))
    assert [layer["kind"] for layer in layers] == CNN
    assert layers[3] == {"kind": "convolution", "inputs": 4, "outputs": 8, "kernel": 3}
    assert len(weights) == 9 * 4 + 4 + 9 * 4 * 8 + 8 + 8 * 49 * 10 + 10


def test_biases_and_normalisations_may_be_missing() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3, affine=False), nn.Dropout(), nn.Conv2d(3, 3, 3, padding=1)),
        *(nn.BatchNorm2d(3, eps=0.5), nn.Flatten(), nn.Linear(36, 5, bias=False)),
    ).eval()
    image = torch.randn(2, 3, 4)
    with torch.no_grad():
        logits = module(image[None])[0].numpy()
    np.testing.assert_allclose(forward(*portable(module), image.numpy()), logits, rtol=1e-4, atol=1e-5)


def test_the_network_stays_as_it_was() -> None:
    module = build("cnn:width=4", (1, 8, 8)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    portable(module)
    assert module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


FLAT = [nn.Flatten(), nn.Linear(16, 10)]


@pytest.mark.parametrize(
    ("module", "what"),
    [
        (models.build("resnet18", (1, 28, 28), 10), "A ResNet"),
        (nn.Linear(4, 2), "A Linear"),
        (nn.Sequential(*FLAT, nn.Sigmoid()), "A Sigmoid"),
        (nn.Sequential(nn.Linear(4, 4), *FLAT), "A Linear"),
        (nn.Sequential(nn.Flatten(2), nn.Linear(16, 10)), "A Flatten"),
        (nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), *FLAT), "A Conv2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, stride=2), *FLAT), "A Conv2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), *FLAT), "A Conv2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), *FLAT), "A Conv2d"),
        (nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, groups=2), *FLAT), "A Conv2d"),
        (nn.Sequential(nn.BatchNorm2d(1), *FLAT), "A BatchNorm2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(1), *FLAT), "A BatchNorm2d"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1, track_running_stats=False), *FLAT),
            "A BatchNorm2d",
        ),
        (nn.Sequential(nn.MaxPool2d(2), *FLAT), "A MaxPool2d"),
        (nn.Sequential(nn.MaxPool2d(3, ceil_mode=True), *FLAT), "A MaxPool2d"),
    ],
)
def test_what_cannot_be_expressed_is_refused_in_one_sentence(module: nn.Module, what: str) -> None:
    with pytest.raises(InputError, match=f"^{what} .* cannot leave torch|^{what} cannot leave torch") as caught:
        portable(module)
    message = str(caught.value)
    assert message.endswith(".")
    assert ". " not in message
    assert "\n" not in message


def test_write_and_read(tmp_path: Path) -> None:
    networks = {"teacher": build("cnn:width=4", (1, 28, 28)), "student": build("mlp:5x1", (1, 28, 28))}
    path = tmp_path / "networks.safetensors"
    write(path, networks)
    loaded = read(path)
    assert list(loaded) == ["teacher", "student"]
    for name, module in networks.items():
        layers, weights = portable(module)
        assert loaded[name][0] == layers
        assert loaded[name][1].dtype == np.float32
        assert np.array_equal(loaded[name][1], weights)
    weights_alone = sum(weights.nbytes for _, weights in loaded.values())
    assert path.stat().st_size < weights_alone + 2_000


@pytest.mark.process
def test_reading_does_not_import_torch(tmp_path: Path) -> None:
    path = tmp_path / "networks.safetensors"
    write(path, {"student": build("mlp:5x1", (1, 8, 8))})
    code = (
        "import sys; from pathlib import Path; from kdlab.io.portable_network import read; read(Path(sys.argv[1]));"
        "assert not {'torch', 'torchvision', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
