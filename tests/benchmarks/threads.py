"""Where a second core begins to pay: milliseconds a training step on one thread and on all, side by side.

python tests/benchmarks/threads.py
"""

import time

import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from kdlab.core import models

CASES = [
    ("mlp:256x2", (1, 8, 8), 20),
    ("mlp:256x2", (1, 28, 28), 64),
    ("mlp:400x2", (1, 28, 28), 64),
    ("mlp:400x2", (1, 28, 28), 128),
    ("mlp:800x2", (1, 28, 28), 128),
    ("cnn:width=8", (1, 28, 28), 32),
    ("cnn:width=8", (3, 32, 32), 128),
]
ROUNDS, STEPS = 5, 30


def step_time(module: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    optimizer = torch.optim.Adam(module.parameters(), fused=True)
    for step in range(STEPS + 1):
        if step == 1:  # the first one warms up
            began = time.perf_counter()
        optimizer.zero_grad()
        cross_entropy(module(inputs), labels).backward()
        optimizer.step()
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    torch.set_flush_denormal(True)
    everything = torch.get_num_threads()
    print(f"torch {torch.__version__}, {everything} threads; ratio = all threads / one, median of {ROUNDS} rounds")
    for name, shape, batch in CASES:
        module = models.build(name, shape, 10)
        inputs, labels = torch.rand(batch, *shape), torch.randint(0, 10, (batch,))
        with FlopCounterMode(display=False) as counter:
            module(inputs)
        ratios = []
        for _ in range(ROUNDS):
            torch.set_num_threads(1)
            one = step_time(module, inputs, labels)
            torch.set_num_threads(everything)
            ratios.append(step_time(module, inputs, labels) / one)
        print(
            f"{counter.get_total_flops() / 1e6:8.1f} Mflop  {name} {shape} x{batch}: {sorted(ratios)[ROUNDS // 2]:.2f}"
        )


if __name__ == "__main__":
    main()
