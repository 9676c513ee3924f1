"""Where a second core begins to pay, and what waiting threads cost: milliseconds a training step, side by side.

python tests/benchmarks/threads.py

Each network trains on one thread and on all, alone and beside another process that does the same, as with two visitors;
with the GOMP_SPINCOUNT of the page's worker (`kdlab/runs/worker.py`) and with GNU OpenMP's own, in turns. Medians.
"""

import json
import os
import subprocess
import sys
import time
from statistics import median

from kdlab.runs.worker import SPIN_COUNT

CASES = [
    ("mlp:256x2", (1, 8, 8), 32),
    ("mlp:32x2", (1, 28, 28), 256),
    ("mlp:128x2", (1, 28, 28), 256),
    ("mlp:400x2", (1, 28, 28), 128),
    ("mlp:800x2", (1, 28, 28), 128),
    ("mlp:800x2", (1, 28, 28), 256),
    ("cnn:width=8", (1, 28, 28), 128),
    ("cnn:width=16", (1, 28, 28), 128),
]
SETTINGS = {"page": SPIN_COUNT, "GNU": "300000"}  # the latter is what libgomp takes by itself
TURNS, ROUNDS, STEPS = 2, 5, 20


def measure() -> None:
    """Print the milliseconds of each case on one thread and on all, as one line of JSON."""
    import torch

    from kdlab import models
    from kdlab.train.device import choose_precision
    from kdlab.train.group import Learner, make_groups

    torch.set_flush_denormal(True)
    everything, results = torch.get_num_threads(), []
    for name, shape, size in CASES:
        module = models.build(name, shape, 10)
        dtype = choose_precision("auto", module, torch.device("cpu"))
        (team,) = make_groups([Learner("one", module, 0)], dtype, "")
        inputs, labels = torch.rand(size, *shape).to(dtype), torch.randint(0, 10, (size,))
        times: dict[int, list[float]] = {1: [], everything: []}
        for _ in range(ROUNDS):
            for threads, found in times.items():
                torch.set_num_threads(threads)
                team.step(inputs, labels, None, 1e-3)
                began = time.perf_counter()
                for _ in range(STEPS):
                    team.step(inputs, labels, None, 1e-3)
                found.append((time.perf_counter() - began) / STEPS * 1e3)
        results.append([median(found) for found in times.values()])
    print(json.dumps(results))


def main() -> None:
    found: dict[tuple[int, str], list[list[list[float]]]] = {(runs, spin): [] for runs in (1, 2) for spin in SETTINGS}
    load = os.getloadavg()[0]
    for _ in range(TURNS):
        for (runs, spin), results in found.items():
            environment = os.environ | {"GOMP_SPINCOUNT": SETTINGS[spin]}
            command = [sys.executable, __file__, "measure"]
            started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(runs)]
            results += [json.loads(process.communicate()[0]) for process in started]
    print(f"ms a step on one thread / on all {os.cpu_count()} cores; load before: {load:.1f}")
    heads = [f"{'two at once' if runs > 1 else 'alone'}, {spin}" for runs, spin in found]
    print(f"{'network, image, batch':<34}" + "".join(f"{head:>24}" for head in heads))
    for at, (name, shape, size) in enumerate(CASES):
        times = [[median(one[at][threads] for one in results) for threads in (0, 1)] for results in found.values()]
        print(f"{f'{name}, {shape}, {size}':<34}" + "".join(f"{one:>15.2f} /{every:>7.2f}" for one, every in times))


if __name__ == "__main__":
    measure() if sys.argv[1:] else main()
