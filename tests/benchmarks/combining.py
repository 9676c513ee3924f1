"""How long it takes to make one answer of a generalist and ten specialists, for ten thousand examples at once.

python tests/benchmarks/combining.py [ROUNDS]

Logits drawn at random, subsets too, every specialist asked for every example; two threads. Printed: the median of the
rounds in seconds, that of the processor's time (which other programs do not lengthen), and the most by which the
conditions of an optimum are missed, as a share.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}  # before NumPy reads them

import platform
import sys
from statistics import median
from time import perf_counter, process_time

import numpy as np
from scipy.special import log_softmax

from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.subsets import membership

EXAMPLES, SPECIALISTS = 10_000, 10


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    print(f"{EXAMPLES} examples × {SPECIALISTS} specialists, NumPy {np.__version__}, {platform.processor()}")
    for classes in (10, 100):
        for spread in (3.0, 10.0):
            rng = np.random.default_rng(0)
            sizes = rng.integers(2, max(3, classes // 2), SPECIALISTS)
            subsets = [tuple(rng.permutation(classes)[:size].tolist()) for size in sizes]
            generalist = rng.normal(0, spread, (EXAMPLES, classes))
            said = [rng.normal(0, spread, (EXAMPLES, len(subset) + 1)) for subset in subsets]
            asked = np.ones((EXAMPLES, SPECIALISTS), bool)
            for direction in DIRECTIONS:
                seconds, busy = [], []
                for _ in range(rounds):
                    start, start_busy = perf_counter(), process_time()
                    log_q = combine(generalist, said, subsets, asked, direction)
                    seconds.append(perf_counter() - start)
                    busy.append(process_time() - start_busy)
                missed = miss(log_q, generalist, said, subsets, direction)
                print(
                    f"{classes} classes, logits' spread {spread:g}, {direction}: "
                    f"{median(seconds):.3f} s ({median(busy):.3f} s of processor time), missed by {missed:.1e}",
                    flush=True,
                )


def miss(
    log_q: np.ndarray, generalist: np.ndarray, said: list[np.ndarray], subsets: list[tuple[int, ...]], direction: str
) -> float:
    """By how much the derivatives by the classes' probabilities differ, which are the same at the optimum."""
    q = np.exp(log_q)
    apart = [log_softmax(generalist, axis=1) - log_q]
    for logits, subset, knows in zip(said, subsets, membership(subsets, log_q.shape[1]), strict=True):
        log_p = log_softmax(logits, axis=1)
        own = np.repeat(log_p[:, -1:] - np.log(q[:, ~knows].sum(1, keepdims=True)), log_q.shape[1], 1)
        own[:, list(subset)] = log_p[:, :-1] - log_q[:, list(subset)]
        apart.append(own)
    slope = (np.exp(apart) if direction == "forward" else np.stack(apart)).mean(0)
    return float(np.abs(slope - (q * slope).sum(1, keepdims=True)).max())


if __name__ == "__main__":
    main()
