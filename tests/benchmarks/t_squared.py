"""What the factor T² changes: students with and without it, the same seeds, batches and teacher.

python tests/benchmarks/t_squared.py [SEEDS] [EPOCHS]

Digits, `mlp:32x1` from one `mlp:256x2` with dropout, 200 images to learn from, in float32; the seed fixes the student's
weights, its batches and which images it learns from. Errors and answers are those on validation images. Printed for
soft targets alone and for soft 0.9 + hard 0.1: errors with and without the factor (mean ± sd over seeds), the paired
difference, without less with, with its 95 % interval (Student's t over seeds, of one teacher); answers that differ
(mean and most of one seed); the largest difference of logits (median and largest over seeds). Then the soft part's
share of the gradient in the weights, |soft| / (|soft| + |hard|), each of them weighted, mean over the images to learn
from, at the start and at the end, and the end's hard loss on these images. Where both parts have come to rest against
each other, the share is a half whatever their weights are.
"""

import os
import sys
from collections.abc import Sequence
from platform import machine

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t
from torch import Tensor, nn

from kdlab.datasets import Dataset, load
from kdlab.distillation.distill import fit
from kdlab.distillation.many import distill_many
from kdlab.distillation.result import DistillResult
from kdlab.losses.hinton import hinton
from kdlab.train.batches import transfer_set
from kdlab.train.evaluate import predict
from kdlab.train.loop import make_network

TEMPERATURES = (1.0, 4.0, 20.0, 50.0)
WEIGHTS = ((1.0, 0.0), (0.9, 0.1))
TRANSFER_SIZE = 200


def interval(differences: NDArray[np.float64]) -> str:
    """Return the mean with its 95 % interval."""
    half = t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    return f"{differences.mean():+.2f} [{differences.mean() - half:+.2f}, {differences.mean() + half:+.2f}]"


def balance(student: nn.Module, run: DistillResult, data: Dataset) -> tuple[float, float]:
    """Return the soft part's share of the gradient in the weights, and the hard loss, on the images learnt from."""
    examples = transfer_set(data.train, run.spec.transfer_size, run.spec.shuffle_seed)
    inputs = data.train.inputs(examples)
    with torch.no_grad():
        guide = run.teacher(inputs)
    parts = hinton(student(inputs), guide, data.train.labels[examples], **run.spec.knobs)
    sizes = {name: size(part.weight * part.value, student) for name, part in parts.items()}
    return sizes["soft"] / (sizes["soft"] + sizes["hard"]), parts["hard"].value.item()


def size(loss: Tensor, network: nn.Module) -> float:
    """Return the length of a loss's gradient in the network's weights."""
    gradients = torch.autograd.grad(loss, tuple(network.parameters()), retain_graph=True)
    return float(torch.cat([gradient.flatten() for gradient in gradients]).norm())


def compare(runs: Sequence[tuple[DistillResult, DistillResult]], data: Dataset) -> str:
    """Return a row: what differs between runs with the factor and those without it."""
    logits = np.stack([[predict(run.student, data.validation).numpy() for run in pair] for pair in runs])
    answers = logits.argmax(-1)
    errors = (answers != data.validation.labels.numpy()).sum(-1).astype(np.float64)
    others = (answers[:, 0] != answers[:, 1]).sum(-1)
    apart = np.abs(logits[:, 0] - logits[:, 1]).max((1, 2))
    spread = "".join(f"{f'{way.mean():.2f} ± {way.std(ddof=1):.2f}':>16}" for way in errors.T)
    return (
        f"{spread}{interval(errors[:, 1] - errors[:, 0]):>25}"
        f"{f'{others.mean():.2f}, {others.max()}':>12}{f'{np.median(apart):.1e}, {apart.max():.1e}':>20}"
    )


def shares(runs: Sequence[DistillResult], data: Dataset) -> tuple[str, str]:
    """Return the soft part's share at the start and the end of training, and the hard loss at its end."""
    first, last = [], []
    for run in runs:
        first.append(balance(make_network(run.spec.student, data, run.spec.seed, "student"), run, data)[0])
        last.append(balance(run.student, run, data))
    share, loss = np.mean(last, 0)
    return f"{np.mean(first):.1%}, {share:.1%}", f"{loss:.4f}"


def main() -> None:
    seeds, epochs = (int(value) for value in (*sys.argv[1:], *("12", "200")[len(sys.argv) - 1 :]))
    data = load("digits")
    teacher = fit("digits", "mlp:256x2:dropout=0.5:input_dropout=0.2", epochs=60, precision="float32")
    options = {"transfer_size": TRANSFER_SIZE, "epochs": epochs, "precision": "float32"}
    pairs: dict[tuple[float, float], dict[float, list[tuple[DistillResult, DistillResult]]]] = {}
    for soft, hard in WEIGHTS:
        runs = distill_many(
            "digits", teacher, "mlp:32x1", temperature=TEMPERATURES, soft_weight=soft, hard_weight=hard,
            t_squared=[True, False], seed=range(seeds), **options,
        )  # fmt: skip
        ways = {way: [run for run in runs if run.spec.knobs["t_squared"] == way] for way in (True, False)}
        pairs[soft, hard] = {
            temperature: [
                pair for pair in zip(*ways.values(), strict=True) if pair[0].spec.knobs["temperature"] == temperature
            ]
            for temperature in TEMPERATURES
        }
    versions = ", ".join(f"{name} {number}" for name, number in runs[0].result["versions"].items())
    print(f"{versions}; {machine()} {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores; {seeds} seeds, "
          f"{epochs} epochs, {len(data.validation)} validation images")  # fmt: skip
    print(f"{'soft':>5}{'hard':>6}{'T':>4}{'errors with T²':>16}{'without':>16}{'difference':>25}{'answers':>12}"
          f"{'logits':>20}")  # fmt: skip
    for (soft, hard), rows in pairs.items():
        for temperature, chosen in rows.items():
            print(f"{soft:>5}{hard:>6}{temperature:>4.0f}{compare(chosen, data)}", flush=True)
    print(f"\n{'soft':>5}{'hard':>6}{'T':>4}{'share with T²':>18}{'without':>18}{'hard loss with':>18}{'without':>12}")
    soft, hard = WEIGHTS[1]
    for temperature, chosen in pairs[soft, hard].items():
        (share, loss), (plain_share, plain_loss) = (shares(way, data) for way in zip(*chosen, strict=True))
        print(f"{soft:>5}{hard:>6}{temperature:>4.0f}{share:>18}{plain_share:>18}{loss:>18}{plain_loss:>12}")


if __name__ == "__main__":
    main()
