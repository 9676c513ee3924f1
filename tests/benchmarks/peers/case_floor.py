"""The floor of the common task: `python tests/benchmarks/peers/case_floor.py EPOCHS PRECISION`.

The matrix products that the task needs and nothing else, on numbers that lie ready: the teacher's forward ones once for
each image in all epochs together, the student's forward and backward ones in each epoch. The gradient in the input
images is not needed, and so not computed.
"""

import json
import platform
import sys
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter

import torch
from common_task import BATCH, SEED, peak_memory

IMAGES = 60_000
TEACHER, STUDENT = (784, 1200, 1200, 10), (784, 800, 800, 10)


def products(sizes: tuple[int, ...], backward: bool, dtype: torch.dtype, device: torch.device) -> Callable[[], None]:
    """Return a function that multiplies as a perceptron does on one batch."""

    def numbers(*shape: int) -> torch.Tensor:
        return torch.rand(shape, device=device).to(dtype)

    weights = [numbers(outputs, inputs) for inputs, outputs in pairwise(sizes)]
    values = [numbers(BATCH, size) for size in sizes]

    def multiply() -> None:
        for value, weight in zip(values, weights, strict=False):
            value @ weight.T
        if backward:
            for layer in reversed(range(len(weights))):
                values[layer + 1].T @ values[layer]
                if layer:
                    values[layer + 1] @ weights[layer]

    return multiply


def main() -> None:
    epochs, dtype = int(sys.argv[1]), getattr(torch, sys.argv[2])
    torch.manual_seed(SEED)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teacher, student = products(TEACHER, False, dtype, device), products(STUDENT, True, dtype, device)
    steps, seconds = IMAGES // BATCH, []
    for _ in range(10):  # the first ones are slower
        teacher()
        student()
    for epoch in range(epochs):
        clock = perf_counter()
        for _ in range(steps):
            if epoch == 0:
                teacher()
            student()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(perf_counter() - clock)
    result = {
        "name": "floor",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seconds_per_epoch": [round(value, 3) for value in seconds],
        "peak_rss_mb": round(peak_memory(), 1),
        "notes": f"matrix products in {sys.argv[2]}, device {device}",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
