"""Peer: KD-Lib's `VanillaKD`, used as its README uses it.

https://github.com/SforAiDl/KD_Lib (README, "Usage": MNIST, VanillaKD)

    python tests/benchmarks/peers/peer_kdlib.py TEACHER_FILE EPOCHS

`VanillaKD` is (1 - distil_weight) * cross-entropy + distil_weight * temp**2 * loss_fn(soft teacher, soft student), so
temp = 4 and distil_weight = 0.9; loss_fn is left at its default, the *mean squared error* of the two softmax outputs.
From the README: a shuffling DataLoader in the main process, the test images for validation after each epoch. From the
common task: batches of 256, Adam instead of SGD, no Normalize; the teacher is trained already. The seconds are those of
the training passes alone: validation is left out.

KD-Lib 0.0.32 pins torch 1.8.1, which ends at Python 3.9. On newer Pythons its package fails at `import`, because its
text distiller wants torchtext.legacy and transformers.AdamW, which are gone. There, empty stand-ins take the place of
those two names; `VanillaKD` and its loop, which never touch them, are KD-Lib's own, unchanged.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from types import ModuleType

import torch
from common_task import BATCH, LEARNING_RATE, SOFT_WEIGHT, TEMPERATURE, arguments, give_up, mnist, report
from torch.utils.data import DataLoader
from torchvision.datasets.mnist import MNIST, read_image_file, read_label_file

STAND_INS = {
    "transformers": ("AdamW", "BertForSequenceClassification", "BertTokenizer"),
    "torchtext": (),
    "torchtext.legacy": ("data",),
}


class Timed(DataLoader):
    """A DataLoader that notes the seconds of each complete pass, with what the caller did between the batches."""

    passes: tuple[float, ...] = ()

    def __iter__(self) -> Iterator:
        started = perf_counter()
        yield from super().__iter__()
        self.passes = (*self.passes, perf_counter() - started)


def vanilla_kd() -> tuple[type, str]:
    """Import the distiller; return it and a note on how."""
    try:
        from KD_Lib.KD import VanillaKD

        return VanillaKD, "imported as published"
    except ModuleNotFoundError as reason:
        if reason.name == "KD_Lib":
            give_up("KD-Lib", "KD-Lib is not installed in this environment")
    except (ImportError, TypeError):  # TypeError: tensorboard 2.2 with a protobuf that is too new for it
        pass
    for name, attributes in STAND_INS.items():
        module = sys.modules[name] = ModuleType(name)
        for attribute in attributes:
            setattr(module, attribute, None)
    try:
        from KD_Lib.KD import VanillaKD
    except (ImportError, TypeError) as reason:
        give_up("KD-Lib", f"KD-Lib cannot be imported, not even without its text part: {str(reason).splitlines()[0]}")
    finally:
        for name in STAND_INS:
            del sys.modules[name]
    return VanillaKD, (
        "as published it cannot be imported here (its text part needs torchtext.legacy, which ends at Python 3.9, and "
        f"transformers.AdamW, since removed): imported with empty stand-ins for {', '.join(STAND_INS)}"
    )


def old_layout(folder: str) -> None:
    """Give torchvision before 0.10 what it reads instead of the raw files: the same tensors, saved by torch."""
    raw, processed = Path(os.environ["KDLAB_DATA"], "MNIST", "raw"), Path(folder, "MNIST", "processed")
    processed.mkdir(parents=True)
    for split, name in (("train", "training.pt"), ("t10k", "test.pt")):
        images, labels = raw / f"{split}-images-idx3-ubyte", raw / f"{split}-labels-idx1-ubyte"
        torch.save((read_image_file(str(images)), read_label_file(str(labels))), processed / name)
    os.environ["KDLAB_DATA"] = folder


def main() -> None:
    distiller, how = vanilla_kd()
    teacher, student, epochs = arguments()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        if not hasattr(MNIST, "_check_legacy_exist"):
            old_layout(folder)
        training = Timed(mnist(train=True), batch_size=BATCH, shuffle=True)
        validation = DataLoader(mnist(train=False), batch_size=BATCH, shuffle=True)
        optimizers = [torch.optim.Adam(network.parameters(), lr=LEARNING_RATE) for network in (teacher, student)]
        distillation = distiller(
            teacher, student, training, validation, *optimizers, temp=TEMPERATURE, distil_weight=SOFT_WEIGHT
        )
        # The folder of save_model_pth is made even where nothing is saved.
        distillation.train_student(epochs, plot_losses=False, save_model=False, save_model_pth=f"{folder}/student.pt")
        assert not teacher.training
        assert len(training.passes) == epochs
        notes = (
            f"VanillaKD(temp={TEMPERATURE:g}, distil_weight={SOFT_WEIGHT}): 0.1 * cross-entropy + 0.9 * T**2 * MSE of "
            "the softmax outputs (its default loss_fn); num_workers = 0 as in the README; teacher in eval mode, but "
            f"gradients flow through it; keeps the epoch with the best validation (here: test) accuracy; {how}"
        )
        with contextlib.redirect_stdout(sys.__stdout__):
            report("KD-Lib", ["KD-Lib"], list(training.passes), student, notes)


if __name__ == "__main__":
    main()
