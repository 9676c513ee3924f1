"""Makes what the temperature lab opens with: `KDLAB_DATA=… python -m kdlab.assets.make_temperature` (needs MNIST).

Three teachers that differ in their seed, and a student of the first that saw 3 % of the training images, as in the
paper's table 5, beside its baseline. The student's size and temperature were chosen on validation errors (of mlp:64x1
and mlp:100x2; of 1, 2, 4, 8 and 20). The lab shows the validation images; the note quotes the test errors. MNIST itself
is not kept here, only which of its images are for validation.
"""

from pathlib import Path

import numpy as np
import torch
from torchvision import datasets

from kdlab.datasets import load
from kdlab.datasets.dataset import stratified_split
from kdlab.distillation.distill import distill, fit
from kdlab.io.portable_network import write
from kdlab.io.predictions import Predictions
from kdlab.metrics.significance import find_test
from kdlab.paths import data_folder
from kdlab.train.evaluate import predict

FOLDER = Path(__file__).parent / "temperature"
TEACHER, STUDENT = "cnn:width=16", "mlp:100x2"
TEACHERS = 3
TRANSFER = 1_650  # 3 % of the 55,000 images that are left to train on
# Logits are kept in steps of this size: it halves the file, and shifts no probability by more than 0.1 % of itself at
# T = 1.
STEP = 1 / 1024


def make(folder: Path) -> None:
    """Train the networks on MNIST and keep their validation logits and, for the pad, their weights in `folder`."""
    data = load("mnist")
    teachers = [fit("mnist", TEACHER, epochs=12, seed=seed, precision="float32") for seed in range(TEACHERS)]
    settings = {"epochs": 200, "transfer_size": TRANSFER, "temperature": 8, "seed": 0, "precision": "float32"}
    result = distill("mnist", teachers[0], STUDENT, **settings)
    folder.mkdir(exist_ok=True)
    names = ["teacher", *(f"teacher {number}" for number in range(2, TEACHERS + 1)), "student"]
    write(folder / "networks.safetensors", dict(zip(names, [*teachers, result.student], strict=True)))

    labels = read_labels()
    chosen = stratified_split(labels, len(data.validation))[1]
    assert np.array_equal(labels[chosen], data.validation.labels)
    np.save(folder / "validation.npy", chosen.astype(np.int32))

    def logits(network: torch.nn.Module) -> np.ndarray:
        return np.round(predict(network.cpu(), data.validation).numpy() / STEP) * STEP

    errors = {
        name: f"{result.result['validation'][name]['errors']} ({result.result[name]['errors']})"
        for name in ("teacher", "baseline", "student")
    }
    note = (
        f"MNIST's 5,000 validation images. Errors here, and in brackets of the 10,000 test images: teacher ({TEACHER}, "
        f"12 epochs) {errors['teacher']}; student ({STUDENT}, 200 epochs on {TRANSFER:,} of the 55,000 training "
        f"images, 3 %, T = 8, weights 0.9 soft and 0.1 hard) {errors['student']}; baseline, the same start and images "
        f"without a teacher, {errors['baseline']}; McNemar's p on the test images is "
        f"{find_test(result.result)['p']:.1g}. "
        "The student's size and T were chosen by its errors here, which may flatter it; test images were read once. "
        f"One run, seed 0. Two more teachers differ in their seed. kdlab {result.result['versions']['kdlab']}, torch "
        f"{result.result['versions']['torch'].partition('+')[0]}."
    )
    roles = {"teacher": teachers[0], "student": result.student, "baseline": result.baseline}
    Predictions(
        key="mnist",
        label="MNIST, 5,000 validation images",
        classes=data.classes,
        labels=data.validation.labels.numpy(),
        logits={role: logits(network) for role, network in roles.items()},
        more_teachers=tuple(logits(network) for network in teachers[1:]),
        note=note,
    ).save(folder / "mnist.npz")
    print(note)


def read_labels() -> np.ndarray:
    """Return the labels of MNIST's training file, int64 (60,000,), in its order."""
    return datasets.MNIST(data_folder(), train=True).targets.numpy()


if __name__ == "__main__":
    make(FOLDER)
