"""What the temperature lab opens with belongs together, and to the real MNIST."""

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from kdlab.assets.make_temperature import STEP, TEACHERS
from kdlab.datasets import Dataset, load
from kdlab.datasets.mnist_pixels import mnist_validation_images
from kdlab.io.portable_network import read
from kdlab.io.predictions import Predictions
from kdlab.metrics.classification import count_errors
from kdlab.paths import data_folder

FOLDER = files("kdlab.assets") / "temperature"


@pytest.fixture(scope="module")
def shipped() -> Predictions:
    return Predictions.load(FOLDER / "mnist.npz")


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    if not (data_folder() / "MNIST").is_dir():
        pytest.skip("no MNIST in KDLAB_DATA")
    return load("mnist")


def test_its_note_says_how_many_errors_the_networks_make(shipped: Predictions) -> None:
    assert len(shipped.labels) == 5_000
    assert len(shipped.more_teachers) == TEACHERS - 1
    for role, words in (("teacher", "12 epochs) {} ("), ("student", "0.1 hard) {} ("), ("baseline", "a teacher, {} (")):
        assert words.format(count_errors(shipped.logits[role], shipped.labels)) in shipped.note


def test_the_pads_networks_are_those_that_said_it(shipped: Predictions, mnist: Dataset) -> None:
    assert np.array_equal(shipped.labels, mnist.validation.labels.numpy())
    networks = read(FOLDER / "networks.safetensors")
    said = [shipped.logits["teacher"], *shipped.more_teachers, shipped.logits["student"]]
    for (layers, weights), logits in zip(networks.values(), said, strict=True):
        answers = forward(layers, weights, mnist.validation.inputs(slice(0, 1000)))
        assert np.abs(answers.numpy() - logits[:1000]).max() < STEP


def test_its_pictures_are_those_that_were_learnt_from(mnist: Dataset) -> None:
    assert np.array_equal(mnist_validation_images(), mnist.validation.images.numpy())


@pytest.mark.parametrize("content", [None, b"", b"cut off"])
def test_without_whole_pictures_there_are_none(content: bytes | None, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    if content is not None:
        folder = tmp_path / "MNIST" / "raw"
        folder.mkdir(parents=True)
        (folder / "train-images-idx3-ubyte").write_bytes(content)
    assert mnist_validation_images() is None


def forward(layers: list[dict[str, Any]], weights: NDArray[np.float32], x: torch.Tensor) -> torch.Tensor:
    """Apply the layers of a portable network, with torch's own operations."""
    left = torch.from_numpy(weights)

    def take(*shape: int) -> torch.Tensor:
        nonlocal left
        size = int(np.prod(shape))
        taken, left = left[:size].reshape(shape), left[size:]
        return taken

    for layer in layers:
        match layer["kind"]:
            case "convolution":
                kernel = take(layer["outputs"], layer["inputs"], layer["kernel"], layer["kernel"])
                x = functional.conv2d(x, kernel, take(layer["outputs"]), padding=layer["kernel"] // 2)
            case "linear":
                matrix = take(layer["outputs"], layer["inputs"])
                x = functional.linear(x.flatten(1), matrix, take(layer["outputs"]))
            case "relu":
                x = x.relu()
            case "pool":
                x = functional.max_pool2d(x, 2, ceil_mode=True)
    assert len(left) == 0
    return x
