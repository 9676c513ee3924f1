"""Five networks that learn from data of their own, as specialists do: one after another and side by side.

python tests/benchmarks/specialists.py

Images and labels are made up: only time is measured, that of training without looks at watched images. Each round
trains the five one after another, then together, then together on the data of the first, which is what sharing would
save; ratios are taken within a round. Medians.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from kdlab import models
from kdlab.augmentations import make_views
from kdlab.datasets import Split
from kdlab.train.batches import Source
from kdlab.train.device import training_context
from kdlab.train.group import Learner
from kdlab.train.loop import train
from kdlab.train.spec import Spec

sys.path.append(str(Path(__file__).parent))
from stopwatch import seconds_per_epoch

# Network, size of its images, batch and steps.
CASES = [
    ("mlp:64x2", (1, 8, 8), 64, 200),
    ("mlp:800x2", (1, 28, 28), 256, 40),
    ("cnn:width=8", (1, 28, 28), 128, 20),
]
CLASSES, COUNT, ROUNDS = 5, 5, 7


def make_source(shape: tuple[int, int, int], examples: int, place: torch.device) -> Source:
    """Return made-up data to learn from."""
    split = Split(torch.randint(0, 256, (examples, *shape), dtype=torch.uint8), torch.randint(0, CLASSES, (examples,)))
    split = split.to(place)
    return Source(split, torch.arange(examples, device=place), make_views("none", split.images))


def seconds(name: str, sources: Sequence[Source], size: int, steps: int) -> float:
    """Return the seconds that networks called `name`, one for each source, take together."""
    place, shape = sources[0].examples.device, tuple(sources[0].split.images.shape[1:])
    learners = [
        Learner(str(at), models.build(name, shape, CLASSES).to(place), 0, source=source)
        for at, source in enumerate(sources)
    ]
    spec, shared = Spec(student=name, batch_size=size), sources[0]
    epochs = steps * size // len(shared.examples)
    events = train("student", "", learners, shared.split, shared.examples, shared.views, spec, epochs=epochs)
    return sum(seconds_per_epoch(events))


def main() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}; {ROUNDS} rounds")
    print(f"{f'{COUNT} networks':<14}{'ms a step, one after another':>30}{'together':>10}{'times as fast':>15}"
          f"{'on shared data':>16}")  # fmt: skip
    with training_context() as place:
        for name, shape, size, steps in CASES:
            sources = [make_source(shape, size * min(steps, 20), place) for _ in range(COUNT)]
            found: list[tuple[float, float, float]] = []
            for _ in range(ROUNDS + 1):
                apart = sum(seconds(name, [source], size, steps) for source in sources)
                together = seconds(name, sources, size, steps)
                found.append((apart, together, seconds(name, sources[:1] * COUNT, size, steps)))
            rounds = found[1:]  # the first one is slower
            apart, together = (median(one[at] for one in rounds) / steps * 1e3 for at in (0, 1))
            gain, most = (median(one[0] / one[at] for one in rounds) for at in (1, 2))
            print(f"{name:<14}{apart:>30.2f}{together:>10.2f}{gain:>15.2f}{most:>16.2f}", flush=True)


if __name__ == "__main__":
    main()
