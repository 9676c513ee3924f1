"""Early stopping: the weights of each network with the fewest errors on validation images."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

from torch import Tensor

from kdlab.datasets import Split
from kdlab.metrics.classification import count_errors
from kdlab.train.events import Probe
from kdlab.train.group import GroupTrainer

__all__ = ["BestWeights"]


class BestWeights:
    """Keeps each network's weights with the fewest errors (the earliest of equals), and their step.

    The images must be validation images: a choice made on the test set would bias the quoted test errors.
    """

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.steps: dict[str, int] = {}
        self._weights: dict[str, dict[str, Tensor]] = {}

    def update(self, probe: Probe, groups: Sequence[GroupTrainer], eval_splits: Mapping[str, Split]) -> None:
        """Keep the weights of each network that has fewer errors than before on its split of `eval_splits`."""
        for group in groups:
            for learner in group.learners:
                labels = eval_splits[learner.name].labels.cpu().numpy()
                errors = count_errors(probe.logits[learner.name], labels)
                if errors < self.errors.get(learner.name, len(labels) + 1):
                    group.network.write_back()
                    self.errors[learner.name], self.steps[learner.name] = errors, probe.step
                    self._weights[learner.name] = deepcopy(learner.module.state_dict())

    def weights(self, name: str) -> dict[str, Tensor]:
        """Return the best weights of the network called `name`."""
        return self._weights[name]
