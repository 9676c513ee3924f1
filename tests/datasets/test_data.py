"""What every data set must be, and the ones that need no network."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from kdlab.datasets import Split, load, load_events, loading
from kdlab.registry import DATASETS, InputError, UnknownNameError

DATA = Path(os.environ.get("KDLAB_DATA", "nowhere"))


def rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


@pytest.mark.process
def test_listing_the_data_sets_does_not_import_torch() -> None:
    heavy = "{'torch', 'torchvision', 'sklearn', 'PIL'}"
    subprocess.run(
        [sys.executable, "-c", f"import sys, kdlab.datasets; assert not {heavy} & set(sys.modules)"], check=True
    )


def test_digits_comes_first_and_every_entry_explains_itself() -> None:
    published = ["mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100", "spoken-digits"]
    assert list(DATASETS) == ["digits", *published, "folder"]
    assert all(entry.label and entry.help and entry.examples for entry in DATASETS.values())


def test_digits() -> None:
    digits = load("digits")
    assert (digits.name, digits.classes, digits.shape) == ("digits", tuple("0123456789"), (1, 8, 8))
    splits = digits.train, digits.validation, digits.test
    assert [len(split) for split in splits] == [1294, 143, 360]
    for split in splits:
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
        assert split.images.is_contiguous()
        assert split.labels.is_contiguous()
        assert (int(split.images.min()), int(split.images.max())) == (0, 255)
    assert torch.bincount(digits.test.labels).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    pixels, _ = load_digits(return_X_y=True)
    everything = torch.cat([split.images for split in splits])
    assert rows(everything) == rows(torch.from_numpy(np.rint(pixels * 255 / 16).astype(np.uint8)))


def test_splits_share_no_image_and_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("digits")
    train, validation, test = rows(first.train.images), rows(first.validation.images), rows(first.test.images)
    assert len(train) + len(validation) + len(test) == 1797  # no digit occurs twice
    assert train.isdisjoint(validation)
    assert test.isdisjoint(train | validation)
    monkeypatch.setattr(loading, "_last", {})
    again = load("digits")
    assert again is not first
    assert torch.equal(again.validation.images, first.validation.images)
    assert torch.equal(again.train.labels, first.train.labels)


def test_a_second_load_is_the_same_object_and_says_nothing() -> None:
    assert load("digits") is load("digits")
    assert not list(load_events("digits"))


def test_inputs_and_take() -> None:
    split = Split(torch.tensor([[[[0, 51]]], [[[102, 255]]]], dtype=torch.uint8), torch.tensor([3, 4]))
    assert split.inputs().tolist() == [[[[0.0, pytest.approx(0.2)]]], [[[pytest.approx(0.4), 1.0]]]]
    assert split.inputs(torch.tensor([1])).shape == (1, 1, 1, 2)
    assert split.inputs(slice(1)).dtype == torch.float32
    assert split.take(torch.tensor([1, 1, 0])).labels.tolist() == [4, 4, 3]
    assert split.images.max() == 255  # inputs() gives a copy


def test_to_moves_every_split() -> None:
    moved = load("digits").to("meta")
    tensors = [
        tensor for split in (moved.train, moved.validation, moved.test) for tensor in (split.images, split.labels)
    ]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize("name", ["digits:8", "cifar10:x"])
def test_an_argument_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="nothing behind a colon"):
        load(name)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'minst'.*Did you mean 'mnist'.*digits, mnist, .*folder:PATH"):
        load("minst")


@pytest.mark.skipif(not (DATA / "MNIST/raw").is_dir(), reason="KDLAB_DATA has no MNIST")
def test_mnist() -> None:
    mnist = load("mnist")
    assert (mnist.shape, mnist.classes) == ((1, 28, 28), tuple("0123456789"))
    assert [len(mnist.train), len(mnist.validation), len(mnist.test)] == [55_000, 5_000, 10_000]
    assert torch.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    training = torch.bincount(mnist.train.labels) + torch.bincount(mnist.validation.labels)
    assert training.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert rows(mnist.validation.images).isdisjoint(rows(mnist.train.images) | rows(mnist.test.images))
