"""README's MNIST numbers: one dropout teacher, and student and baseline with three seeds.

KDLAB_DATA=... python tests/benchmarks/mnist.py [RUN]

RUN: a folder of `kdlab distill --out` to take the teacher from; without it the teacher is trained here, for 60 epochs.
The temperature was chosen on validation images, of 8 and 20; the rest is what kdlab suggests.
"""

import sys
from pathlib import Path

from kdlab.distillation.distill import distill, fit
from kdlab.distillation.run_folder import load
from kdlab.metrics.significance import find_test

SEEDS = 3


def main() -> None:
    teacher = "mlp:1200x2:dropout=0.5:input_dropout=0.2"
    trained = load(Path(sys.argv[1]), "teacher") if sys.argv[1:] else fit("mnist", teacher, epochs=60)
    for seed in range(SEEDS):
        result = distill("mnist", trained, "mlp:800x2", epochs=20, temperature=20, seed=seed).result
        for split, scores in (("test", result), ("validation", result["validation"])):
            errors = {name: scores[name]["errors"] for name in ("teacher", "baseline", "student")}
            print(f"seed {seed}, {split} errors of {scores['examples']:,}: {errors}, p = {find_test(scores)['p']:.2g}")
        print(
            f"  {result['seconds']['student']:.0f} s on {result['device']}, versions {result['versions']}", flush=True
        )


if __name__ == "__main__":
    main()
