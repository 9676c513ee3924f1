"""Makes what the temperature lab opens with: `KDLAB_DATA=… python -m kdlab.assets.make_temperature` (needs MNIST).

Three teachers that differ in their seed, and a student of the first that saw 3 % of the training images, as in the
paper's table 5, beside its baseline. The student's size and temperature were chosen on validation errors (of mlp:64x1
and mlp:100x2; of 1, 2, 4, 8 and 20). MNIST itself is not kept here.
"""

from pathlib import Path

import numpy as np
import torch

from kdlab.core.data import load
from kdlab.core.distillation import distill, fit
from kdlab.core.evaluation import predict
from kdlab.core.paired import find_test
from kdlab.core.portable import write
from kdlab.core.predictions import Predictions

FOLDER = Path(__file__).parent / "temperature"
TEACHER, STUDENT = "cnn:width=16", "mlp:100x2"
TEACHERS = 3
TRANSFER = 1_650  # 3 % of the 55,000 images that are left to train on
# Logits are kept in steps of this size: it halves the file, and shifts no probability by more than 0.1 % of itself at
# T = 1.
STEP = 1 / 1024


def make(folder: Path) -> None:
    """Train the networks on MNIST and keep their test logits and, for the pad, their weights in `folder`."""
    data = load("mnist")
    teachers = [fit("mnist", TEACHER, epochs=12, seed=seed, precision="float32") for seed in range(TEACHERS)]
    settings = {"epochs": 200, "transfer_size": TRANSFER, "temperature": 8, "seed": 0, "precision": "float32"}
    run = distill("mnist", teachers[0], STUDENT, **settings)
    folder.mkdir(exist_ok=True)
    names = ["teacher", *(f"teacher {number}" for number in range(2, TEACHERS + 1)), "student"]
    write(folder / "networks.safetensors", dict(zip(names, [*teachers, run.student], strict=True)))

    def logits(network: torch.nn.Module) -> np.ndarray:
        return np.round(predict(network.cpu(), data.test).numpy() / STEP) * STEP

    errors = {name: run.result[name]["errors"] for name in ("teacher", "baseline", "student")}
    test = find_test(run.result)
    note = (
        f"MNIST's 10,000 test images. Teacher: {TEACHER}, 12 epochs, {errors['teacher']} errors. Student: {STUDENT}, "
        f"200 epochs on {TRANSFER:,} of the 55,000 training images (3 %), T = 8, weights 0.9 soft and 0.1 hard: "
        f"{errors['student']} errors; baseline, the same start and images without a teacher, {errors['baseline']} "
        f"(McNemar's p = {test['p']:.1g}). One run, seed 0; size and T were chosen on 5,000 validation images. Two "
        f"more teachers differ in their seed. kdlab {run.result['versions']['kdlab']}, torch "
        f"{run.result['versions']['torch'].partition('+')[0]}."
    )
    roles = {"teacher": teachers[0], "student": run.student, "baseline": run.baseline}
    Predictions(
        key="mnist",
        label="MNIST, 10,000 test images",
        classes=data.classes,
        labels=data.test.labels.numpy(),
        logits={role: logits(network) for role, network in roles.items()},
        more_teachers=tuple(logits(network) for network in teachers[1:]),
        note=note,
    ).save(folder / "mnist.npz")
    validation = {name: run.result["validation"][name]["errors"] for name in errors}
    print(f"{note}\nValidation errors of 5,000: {validation}.")


if __name__ == "__main__":
    make(FOLDER)
