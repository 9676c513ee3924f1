"""Whether accuracy pays for speed: test errors of the fast path and of float32, the same seeds and batches.

KDLAB_DATA=... python tests/benchmarks/precision.py [SEEDS] [EPOCHS]

MNIST, 784-800-800-10 from one 784-1200-1200-10 with dropout, T = 8, what kdlab suggests otherwise. Printed for student
and baseline: errors of each seed, their means, the difference and its standard error.
"""

import sys
from math import sqrt
from statistics import mean, stdev

from kdlab.distillation.distill import fit
from kdlab.distillation.many import distill_many


def main() -> None:
    seeds, epochs = (int(value) for value in (*sys.argv[1:], *("5", "10")[len(sys.argv) - 1 :]))
    teacher = fit("mnist", "mlp:1200x2:dropout=0.5:input_dropout=0.2", epochs=10)
    runs = distill_many(
        "mnist", teacher, "mlp:800x2", precision=["float32", "auto"], seed=range(seeds), epochs=epochs, temperature=8
    )
    result = runs[-1].result
    print(f"fast path: {result['precision']['student']}; {epochs} epochs; {result['device']}, {result['versions']}")
    for network in ("student", "baseline"):
        exact, fast = (
            [run.result[network]["errors"] for run in runs if run.spec.precision == precision]
            for precision in ("float32", "auto")
        )
        error = sqrt((stdev(exact) ** 2 + stdev(fast) ** 2) / seeds)
        difference = mean(fast) - mean(exact)
        print(f"{network}: float32 {exact} mean {mean(exact):.1f}; fast {fast} mean {mean(fast):.1f}; ", end="")
        paired = stdev(b - a for a, b in zip(exact, fast, strict=True)) / sqrt(seeds)
        alone = stdev(exact) / sqrt(seeds)
        print(f"difference {difference:+.1f}, standard error {error:.1f}, paired {paired:.1f}, float32 {alone:.1f}")


if __name__ == "__main__":
    main()
