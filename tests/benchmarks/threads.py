"""Where a second core begins to pay, and what waiting threads cost: milliseconds a training step, side by side.

python tests/benchmarks/threads.py

Each network trains on one thread and on all, on an idle machine and beside one other process that never rests; once
with kdlab's setting of GOMP_SPINCOUNT (`kdlab/core/__init__.py`) and once with GNU OpenMP's own. Medians over rounds.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from statistics import median

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
SPINS = {"kdlab's": None, "GNU's own": "300000"}  # what libgomp takes when nothing is set, on idle cores
ROUNDS, STEPS = 5, 20


def measure() -> None:
    """Print the milliseconds of each case on one thread and on all, as one line of JSON."""
    from kdlab.core.machine import choose_precision  # first, because it sets what torch's threads read once
    import torch  # isort: skip

    from kdlab.core import models
    from kdlab.core.teams import Learner, make_teams

    torch.set_flush_denormal(True)
    everything, results = torch.get_num_threads(), []
    for name, shape, size in CASES:
        module = models.build(name, shape, 10)
        dtype = choose_precision("auto", module, torch.device("cpu"))
        (team,) = make_teams([Learner("one", module, 0)], dtype, "")
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


def never_rest() -> None:
    while True:
        pass


def main() -> None:
    found = {}
    for busy in (False, True):
        other = multiprocessing.Process(target=never_rest, daemon=True)
        if busy:
            other.start()
        for spin, count in SPINS.items():
            environment = {key: value for key, value in os.environ.items() if key != "GOMP_SPINCOUNT"}
            environment |= {"GOMP_SPINCOUNT": count} if count else {}
            done = subprocess.run(
                [sys.executable, __file__, "measure"], env=environment, check=True, capture_output=True, text=True
            )
            found[busy, spin] = json.loads(done.stdout)
        if busy:
            other.terminate()
    print(f"ms a step on one thread / on all {os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}")
    heads = [f"{'busy' if busy else 'idle'}, {spin}" for busy, spin in found]
    print(f"{'network, image, batch':<36}" + "".join(f"{head:>20}" for head in heads))
    for at, (name, shape, size) in enumerate(CASES):
        times = "".join(f"{one[at][0]:>11.2f} /{one[at][1]:>7.2f}" for one in found.values())
        print(f"{f'{name}, {shape}, {size}':<36}{times}")


if __name__ == "__main__":
    measure() if sys.argv[1:] else main()
