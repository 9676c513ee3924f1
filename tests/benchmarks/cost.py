"""What a training step costs against width, number of students, classes and transfer set, and where that bends.

python tests/benchmarks/cost.py

Distillation on images of 28 × 28 with batches of 256, all made up: only time is measured. Milliseconds a step (seconds
an epoch for the transfer set), the fastest of several rounds; the sections' own ratios are what can be compared.
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from kdlab import models
from kdlab.augmentations import make_views
from kdlab.datasets.dataset import Split
from kdlab.losses.hinton import hinton
from kdlab.train.device import count_operations, set_threads, training_context
from kdlab.train.group import Learner, make_groups
from kdlab.train.loop import train
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import TeacherLogitCache

sys.path.append(str(Path(__file__).parent))
from stopwatch import seconds_per_epoch

SHAPE, BATCH = (1, 28, 28), 256
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 800, 1600)
COUNTS = (1, 2, 4, 8, 16, 32, 64)
CLASSES = (10, 30, 100, 300, 1000)
SIZES = (256, 1_000, 4_000, 16_000, 60_000)
ROUNDS, IMAGES = 5, 12_800


def knobs(student: int) -> dict[str, float]:
    """Return the knobs of one of many students: each has a temperature of its own."""
    return {"temperature": 1.0 + student / 4, "soft_weight": 0.9, "hard_weight": 0.1, "t_squared": True}


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
    learners = [Learner(str(at), module, 0, hinton, knobs(at)) for at, module in enumerate(modules)]
    (team,) = make_groups(learners, dtype, "")
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


def epoch(names: list[str], size: int, place: torch.device, asks: str = "bfloat16") -> float:
    """Return the seconds of an epoch of distillation, the teacher's answers included, at best of several."""
    images = torch.randint(0, 256, (size, *SHAPE), dtype=torch.uint8)
    split = Split(images, torch.randint(0, 10, (size,))).to(place)
    spec = Spec(student=names[0], batch_size=BATCH, precision=asks)
    views = make_views("none", split.images)
    modules = [models.build(name, SHAPE, 10).to(place) for name in names]
    learners = [Learner(str(at), module, 0, hinton, knobs(at)) for at, module in enumerate(modules)]
    answers = TeacherLogitCache(models.build("mlp:1200x2", SHAPE, 10).to(place), views, size, 10, torch.bfloat16, place)
    everything = torch.arange(size, device=place)
    answers.prepare(everything, torch.zeros_like(everything))
    seconds = seconds_per_epoch(
        train("student", "", learners, split, everything, views, spec, epochs=6, teacher_logits=answers)
    )
    return min(seconds)


def main() -> None:
    half, single = torch.bfloat16, torch.float32
    with training_context() as place:
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
            print(f"\nstudents of width {width} together: s an epoch of {IMAGES:,} images, times that of one; bfloat16")
            one = epoch([f"mlp:{width}x2"], IMAGES, place)
            for count in COUNTS if width < 800 else COUNTS[:5]:
                together = epoch([f"mlp:{width}x2"] * count, IMAGES, place)
                print(f"  {count:>5} {together:>8.3f} {together / one:>6.1f}")
        print("\nclasses of one student of width 128, and of 16 together: ms a step; bfloat16")
        for classes in CLASSES:
            alone, many = (step(["mlp:128x2"] * count, half, place, classes) for count in (1, 16))
            print(f"  {classes:>5} {alone:>8.2f} {many:>8.2f}")
        print("\ntransfer set of a student of width 128: s an epoch, the teacher's answers kept; bfloat16")
        for size in SIZES:
            seconds = epoch(["mlp:128x2"], size, place)
            print(f"  {size:>6} {seconds:>8.4f}   {seconds / size * 1e6:>6.1f} microseconds an image")
        print("\nconvolutions (cnn:width=16): ms a step, channels first and last in memory, float32 and bfloat16")
        times = [step(["cnn:width=16"], dtype, place, last=last) for dtype in (single, half) for last in (False, True)]
        print("  float32 {:.1f} {:.1f}, bfloat16 {:.1f} {:.1f}".format(*times))


if __name__ == "__main__":
    main()
