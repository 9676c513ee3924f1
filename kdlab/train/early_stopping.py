"""Early stopping: the weights with which each network did best on images that it does not learn from."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

from torch import Tensor

from kdlab.datasets import Split
from kdlab.metrics.classification import count_errors
from kdlab.train.events import Probe
from kdlab.train.group import Team

__all__ = ["Selection"]


class Selection:
    """Keeps, of each network, the weights with the fewest errors (the earliest of several) and the step they stood at.

    The images must be validation images: a choice made on the test set would flatter what is quoted.
    """

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.steps: dict[str, int] = {}
        self._weights: dict[str, dict[str, Tensor]] = {}

    def consider(self, probe: Probe, teams: Sequence[Team], watched: Mapping[str, Split]) -> None:
        """Take what each network said of the images that it `watched` into account."""
        for team in teams:
            for learner in team.learners:
                labels = watched[learner.name].labels.cpu().numpy()
                errors = count_errors(probe.logits[learner.name], labels)
                if errors < self.errors.get(learner.name, len(labels) + 1):
                    team.network.store()
                    self.errors[learner.name], self.steps[learner.name] = errors, probe.step
                    self._weights[learner.name] = deepcopy(learner.module.state_dict())

    def weights(self, name: str) -> dict[str, Tensor]:
        """Return the best weights of the network called `name`."""
        return self._weights[name]
