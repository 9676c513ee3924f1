"""Teachers that several experiments share: trained once, with seed 0, for all of them and for all seeds."""

from collections.abc import Generator
from typing import TYPE_CHECKING

from kdlab.experiments.framework.ensembles import logit_ensemble
from kdlab.experiments.framework.events import Event
from kdlab.experiments.framework.jobs import NetworkSpec, TrainConfig, TrainedNetwork

if TYPE_CHECKING:
    from kdlab.experiments.framework.trainer import Study

__all__ = ["EXPERT", "JITTER", "PERCEPTRON", "VIEWS", "convolutional_teachers", "on_views", "perceptron_teacher"]

# The paper's: dropout, weight constraints, and inputs moved by up to two pixels (section 3).
PERCEPTRON = "mlp:1200x2:dropout=0.5:input_dropout=0.2:max_norm=3"
JITTER = "shift:pixels=2"
# Today's: small convolutional networks, and views that are turned, scaled and moved.
EXPERT = "cnn:width=16:convolutions=2:dropout=0.3"
VIEWS = "affine:views=30:degrees=12:scale=0.12:pixels=2"


def perceptron_teacher(study: "Study", network: str, epochs: int) -> Generator[Event, None, TrainedNetwork]:
    """Train the paper's teacher, or one in its place, on moved images."""
    config = TrainConfig(epochs=epochs, batch_size=128, augmentation=JITTER)
    (teacher,) = yield from study.train("teacher", [NetworkSpec(network, 0)], config)
    return teacher


def convolutional_teachers(
    study: "Study", network: str, count: int, epochs: int, augmentation: str
) -> Generator[Event, None, tuple[TrainedNetwork, TrainedNetwork]]:
    """Train several networks on the same views, one after the other; return their ensemble, and the first."""
    members = []
    for seed in range(count):
        config = TrainConfig(epochs=epochs, seed=seed, batch_size=128, learning_rate=3e-3, augmentation=augmentation)
        members += yield from study.train(f"teacher {seed + 1} of {count}", [NetworkSpec(network, seed)], config)
    return logit_ensemble(members), members[0]


def on_views(epochs: int, seed: int, augmentation: str) -> TrainConfig:
    """Return the config of perceptrons that learn from views: long, at a higher rate, with early stopping."""
    return TrainConfig(epochs=epochs, seed=seed, augmentation=augmentation, learning_rate=2e-3, early_stopping=True)
