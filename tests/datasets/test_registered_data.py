"""A data set that somebody else registers: what does not fit is one sentence, before anything learns from it."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refusal

from kdlab.datasets import Dataset, Split, load
from kdlab.datasets.dataset import assemble, stratified_split
from kdlab.progress import Progress
from kdlab.registry import DATASETS

COUNTS = (6, 6, 6)


def split(*counts: int, size: int = 8, channels: int = 1) -> Split:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return Split(torch.zeros(len(labels), channels, size, size, dtype=torch.uint8), labels)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Any]], None]:
    """Register a function as the data set 'mine' for one test."""
    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._entries))
    return lambda build: DATASETS.add("mine", label="Mine", help="mine")(build) and None


NAMES = ("a", "b", "c")


def data(classes: Any = NAMES, train: Any = None, validation: Any = None, test: Any = None) -> Dataset:
    train, validation, test = (split(*COUNTS) if part is None else part for part in (train, validation, test))
    return Dataset("mine", classes, train, validation, test)


def changed(**fields: Any) -> Split:
    whole = split(*COUNTS)
    return Split(**({"images": whole.images, "labels": whole.labels} | fields))


IMAGES, LABELS = split(*COUNTS).images, split(*COUNTS).labels


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: assemble("mine", NAMES, split(6, 1, 6), split(*COUNTS)),
            "'mine' has one training example only of b, and each class needs two",
        ),
        (
            lambda: assemble("mine", NAMES, split(6, 0, 6), split(*COUNTS)),
            "training split of the data set 'mine' has no example of b: add some",
        ),
        (lambda: assemble("mine", ("a", "b"), split(*COUNTS), split(6, 6)), "has labels from 0 to 2, and of its 2"),
        (
            lambda: stratified_split(np.array([0, 0, 1]), 2),
            "2 of 3 examples cannot be set aside, because each part needs one",
        ),
        (lambda: stratified_split(np.array([0, 0, 0, 1]), 2), "Label 1 has one example only, and one must stay"),
        (lambda: stratified_split(np.array([], dtype=np.int64), 1), "1 of 0 examples cannot be set aside"),
        (lambda: None, "'mine' is a NoneType and not a Dataset: return one"),
        (lambda: (IMAGES, LABELS), "'mine' is a tuple and not a Dataset"),
        (lambda: data(classes=["a", "b", "c"]), "needs a tuple of names as its classes, not ['a', 'b', 'c']"),
        (lambda: data(classes=(0, 1, 2)), "needs a tuple of names as its classes, not (0, 1, 2)"),
        (lambda: data(classes=("a", "b", "a")), "has classes of the same name: give a different names"),
        (lambda: data(classes=("a",)), "needs at least two classes and has 1"),
        (lambda: data(test=(IMAGES, LABELS)), "The test split of the data set 'mine' is a tuple: make it a Split"),
        (lambda: data(train=changed(images=IMAGES.float())), "has float32 (18, 1, 8, 8) as its images: give a uint8"),
        (lambda: data(train=changed(images=IMAGES[:, 0])), "has uint8 (18, 8, 8) as its images: give a uint8 tensor"),
        (lambda: data(train=changed(images=IMAGES.numpy())), "has uint8 ndarray (18, 1, 8, 8) as its images"),
        (lambda: data(test=changed(labels=LABELS.int())), "has int32 (18,) as its labels: give an int64 tensor"),
        (lambda: data(test=changed(labels=LABELS[:, None])), "has int64 (18, 1) as its labels"),
        (lambda: data(test=changed(labels=LABELS.tolist())), "has something of the type list as its labels"),
        (lambda: data(test=changed(labels=LABELS[1:])), "has 18 images, 17 labels: give one for each image"),
        (lambda: data(test=changed(groups=LABELS[1:])), "has 18 images, 18 labels and 17 groups"),
        (lambda: data(test=changed(groups=[1] * 18)), "has something of the type list as its groups"),
        (lambda: data(validation=split(0, 0, 0)), "The validation split of the data set 'mine' is empty"),
        (lambda: data(test=changed(labels=LABELS - 1)), "has labels from -1 to 1, and of its 3 classes the first is 0"),
        (lambda: data(test=split(*COUNTS, size=9)), "training and test images of the data set 'mine' are of different"),
        (lambda: data(test=split(*COUNTS, channels=3)), "sizes, 1×8×8 and 3×8×8 (channels, height, width): bring them"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    register: Callable[[Any], None], make: Callable[[], Any], sentence: str
) -> None:
    def build(argument: str) -> Generator[Progress, None, Any]:
        yield Progress("Reading mine", 0, 0, "images")
        return make()

    register(build)
    assert sentence in refusal(load, "mine")


def test_a_function_that_yields_nothing_may_return_its_data_set(register: Callable[[Any], None]) -> None:
    register(lambda argument: data())
    assert load("mine").classes == NAMES


def test_what_is_registered_anew_is_read_anew(register: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    register(lambda argument: data())
    assert load("mine") is load("mine")
    monkeypatch.delitem(DATASETS._entries, "mine")
    register(lambda argument: data(classes=("d", "e", "f")))
    assert load("mine").classes == ("d", "e", "f")


def test_notes_and_a_validation_split_of_ones_own(register: Callable[[Any], None]) -> None:
    whole = split(*COUNTS)
    marked = Split(torch.arange(18, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8), whole.labels)
    register(lambda _: assemble("mine", NAMES, marked, whole, validation=split(1, 1, 1), notes=["A note."]))
    dataset = load("mine")
    assert dataset.notes == dataset.to("cpu").notes == ("A note.",)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (18, 3, 18)
    order = dataset.train.images[:, 0, 0, 0]
    assert sorted(order.tolist()) == list(range(18))
    assert order.tolist() != list(range(18))
    assert dataset.train.labels.equal(whole.labels[order.long()])
