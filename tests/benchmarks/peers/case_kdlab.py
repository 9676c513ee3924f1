"""The common task by kdlab: `python tests/benchmarks/peers/case_kdlab.py TEACHER EPOCHS [PRECISION]`.

The seconds are those of `train` without its looks at the test images, which the peers do without; the teacher's answers
are in them. All 60,000 training images are learnt from, and the student alone is trained, without a baseline.
"""

import sys
from pathlib import Path

import torch
from common_task import BATCH, HARD_WEIGHT, LEARNING_RATE, SEED, SOFT_WEIGHT, TEMPERATURE, arguments, report

from kdlab.augmentations import make_views
from kdlab.datasets import Dataset, Split, load
from kdlab.distillation.teacher_training import Teacher
from kdlab.losses.hinton import hinton
from kdlab.train.device import training_context
from kdlab.train.group import Learner
from kdlab.train.loop import train
from kdlab.train.spec import Spec

sys.path.append(str(Path(__file__).parent.parent))
from stopwatch import seconds_per_epoch


def whole(data: Dataset) -> Dataset:
    """Return MNIST with its validation images among those to learn from again."""
    train, validation = data.train, data.validation
    images = torch.cat([train.images, validation.images])
    everything = Split(images, torch.cat([train.labels, validation.labels]))
    return Dataset(data.name, data.classes, everything, validation, data.test)


def main() -> None:
    teacher, student, epochs = arguments()
    knobs = {"temperature": TEMPERATURE, "soft_weight": SOFT_WEIGHT, "hard_weight": HARD_WEIGHT}
    spec = Spec(
        dataset="mnist", teacher="mlp:1200x2", student="mlp:800x2", knobs=knobs, epochs=epochs,
        batch_size=BATCH, learning_rate=LEARNING_RATE, seed=SEED, precision=(*sys.argv[3:], "auto")[0],
    )  # fmt: skip
    with training_context() as place:
        data = whole(load("mnist")).to(place)
        learner = Learner("student", student.to(place), SEED, hinton, spec.knobs)
        examples = torch.arange(len(data.train), device=place)
        seconds = seconds_per_epoch(
            train(
                "student", "", [learner], data.train, examples, make_views("none", data.train.images), spec,
                epochs=epochs, teacher_logits=Teacher(teacher.to(place)).logit_cache(data, spec),
                eval_split=data.test,
            )
        )  # fmt: skip
    precision = "float32" if sys.argv[3:] == ["float32"] else "chosen by kdlab"
    report("kdlab", ["kdlab"], seconds, student.cpu(), f"precision {precision}, device {place}")


if __name__ == "__main__":
    main()
