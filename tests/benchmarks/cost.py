"""What a training step costs against width, number of students, classes and transfer set, and where that bends.

python tests/benchmarks/cost.py

Distillation on images of 28 × 28 with batches of 256, all made up: only time is measured. Milliseconds a step (seconds
an epoch for the transfer set), the fastest of several rounds; the sections' own ratios are what can be compared.
"""

import os
import platform
import time
from collections.abc import Callable

import torch

from kdlab.core import models
from kdlab.core.answers import Answers
from kdlab.core.augmentation import make_views
from kdlab.core.data.splits import Dataset, Split
from kdlab.core.machine import count_operations, prepared, set_threads
from kdlab.core.objectives import hinton
from kdlab.core.spec import Spec
from kdlab.core.teams import Learner, make_teams
from kdlab.core.training import LiveKnobs, train

SHAPE, BATCH = (1, 28, 28), 256
KNOBS = {"temperature": 4.0, "soft_weight": 0.9, "hard_weight": 0.1, "t_squared": True}
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 800, 1600)
COUNTS = (1, 2, 4, 8, 16, 32, 64)
CLASSES = (10, 30, 100, 300, 1000)
SIZES = (256, 1_000, 4_000, 16_000, 60_000)
ROUNDS = 5


def fastest(work: Callable[[], object]) -> float:
    """Return the milliseconds that `work` takes at best."""
    work()
    began = time.perf_counter()
    work()
    times = max(1, int(0.1 / (time.perf_counter() - began)))
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - began) / times * 1e3)
    return min(rounds)


def step(names: list[str], dtype: torch.dtype, place: torch.device, classes: int = 10, last: bool = True) -> float:
    """Return the milliseconds of one step of these networks, together; `last`: channels last in memory."""
    modules = [models.build(name, SHAPE, classes).to(place) for name in names]
    if not last:
        modules = [module.to(memory_format=torch.contiguous_format) for module in modules]
    learners = [Learner(str(at), module, 0, hinton, KNOBS) for at, module in enumerate(modules)]
    (team,) = make_teams(learners, dtype, "")
    inputs = torch.rand(BATCH, *SHAPE, device=place)
    set_threads(sum(count_operations(module, inputs) for module in modules), dtype)
    labels = torch.randint(0, classes, (BATCH,), device=place)
    guide = torch.randn(classes, BATCH, device=place).T
    inputs = inputs.to(dtype)

    def work() -> None:
        team.step(inputs, labels, guide, 1e-4)
        if place.type == "cuda":
            torch.cuda.synchronize()

    return fastest(work)


def epoch(size: int, place: torch.device) -> float:
    """Return the seconds of one whole run of a `mlp:128x2` over `size` images, its evaluations included, per epoch."""
    images = torch.randint(0, 256, (size, *SHAPE), dtype=torch.uint8)
    split = Split(images, torch.randint(0, 10, (size,))).to(place)
    test = Split(torch.randint(0, 256, (10_000, *SHAPE), dtype=torch.uint8), torch.zeros(10_000, dtype=torch.int64))
    data = Dataset("made up", tuple("0123456789"), split, split, test.to(place))
    spec = Spec(student="mlp:128x2", batch_size=BATCH, knobs=KNOBS)
    live, views, epochs = LiveKnobs(spec), make_views("none", split.images), 3
    student, teacher = (models.build(name, SHAPE, 10).to(place) for name in ("mlp:128x2", "mlp:1200x2"))
    answers = Answers(teacher, views, size, 10, torch.float32, place)
    learners = [Learner("student", student, 0, hinton, live.values)]
    began = time.perf_counter()
    for _ in train(
        "student", "", learners, data, torch.arange(size, device=place), views, spec,
        epochs=epochs, live=live, answers=answers,
    ):  # fmt: skip
        pass
    return (time.perf_counter() - began) / epochs


def main() -> None:
    half, single = torch.bfloat16, torch.float32
    with prepared() as place:
        device = torch.cuda.get_device_name() if place.type == "cuda" else f"{os.cpu_count()} CPU cores"
        print(
            f"{device}, torch {torch.__version__}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}\n"
        )
        print("one student of two layers: ms a step by width, float32 and bfloat16")
        for width in WIDTHS:
            name = [f"mlp:{width}x2"]
            exact, fast = step(name, single, place), step(name, half, place)
            print(f"  {width:>5} {exact:>8.2f} {fast:>8.2f}   {exact / fast:.1f} times as fast")
        for width in (32, 128, 800):
            print(f"\nstudents of width {width} in one program: ms a step, times the cost of one; bfloat16")
            one = step([f"mlp:{width}x2"], half, place)
            for count in COUNTS if width < 800 else COUNTS[:5]:
                together = step([f"mlp:{width}x2"] * count, half, place)
                print(f"  {count:>5} {together:>8.2f} {together / one:>6.1f}, one after another {count}")
        print("\nclasses of one student of width 128, and of 16 together: ms a step; bfloat16")
        for classes in CLASSES:
            alone, many = (step(["mlp:128x2"] * count, half, place, classes) for count in (1, 16))
            print(f"  {classes:>5} {alone:>8.2f} {many:>8.2f}")
        print("\ntransfer set of a student of width 128: s an epoch of three, with the teacher and four evaluations")
        for size in SIZES:
            seconds = epoch(size, place)
            print(f"  {size:>6} {seconds:>8.3f}   {seconds / size * 1e6:>6.1f} microseconds an image")
        print("\nconvolutions (cnn:width=16): ms a step, channels first and last in memory, float32 and bfloat16")
        times = [step(["cnn:width=16"], dtype, place, last=last) for dtype in (single, half) for last in (False, True)]
        print("  float32 {:.1f} {:.1f}, bfloat16 {:.1f} {:.1f}".format(*times))


if __name__ == "__main__":
    main()
