"""A generalist with specialists: as one network, and its predictions and costs by n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.jobs import TrainedNetwork
from kdlab.lazy import nn, torch
from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.routing import route
from kdlab.specialists.subsets import membership, read_subsets

if TYPE_CHECKING:
    from kdlab.experiments.framework.experiment import SeedResult

__all__ = ["MAX_N", "RoutedPredictions", "predict_by_n", "specialist_ensemble"]

MAX_N = 5  # first classes of the generalist at the most, whose specialists are asked


@dataclass(frozen=True, eq=False)
class RoutedPredictions:
    """Predictions of generalist and specialists on the test set, for one seed.

    `chosen`: the direction's number among `DIRECTIONS`, and n; `predicted`: the class, (directions, n from 0 to
    `MAX_N`, examples); `asked_share`: the share of the examples that are routed to a specialist, (n, specialists);
    `costs`: million multiply-adds of a prediction, (n,); `knowing`: how many specialists know the true class,
    (examples,); `fixable`: the generalist's errors whose true and predicted class one specialist knows, bool
    (examples,).
    """

    chosen: tuple[int, int]
    specialist_logits: list[NDArray[np.float32]]
    predicted: NDArray[np.int64]
    asked_share: NDArray[np.float64]
    costs: NDArray[np.float64]
    knowing: NDArray[np.int64]
    fixable: NDArray[np.bool_]


def predict_by_n(result: SeedResult) -> RoutedPredictions:
    """Combine the logits of generalist and specialists for every direction and n."""
    generalist, subsets = result.logits["generalist"], read_subsets(result.chosen["subsets"], result.classes)
    specialist_logits = [result.logits[f"specialist {index}"] for index in range(len(subsets))]
    routes = [route(generalist, subsets, n) for n in range(MAX_N + 1)]
    predicted = [
        [combine(generalist, specialist_logits, subsets, routed, direction).argmax(1) for routed in routes]
        for direction in DIRECTIONS
    ]
    specialist_costs = np.array([result.sizes[f"specialist {index}"]["multiply_adds"] for index in range(len(subsets))])
    asked_share = np.stack([routed.mean(0) for routed in routes])
    costs = (result.sizes["generalist"]["multiply_adds"] + asked_share @ specialist_costs) / 1e6
    members, first = membership(subsets, len(result.classes)), generalist.argmax(1)
    fixable = (members[:, result.labels] & members[:, first]).any(0) & (first != result.labels)
    chosen = list(DIRECTIONS).index(result.chosen["direction"]), result.chosen["n"]
    return RoutedPredictions(
        chosen,
        specialist_logits,
        np.stack([np.stack(by_n) for by_n in predicted]),
        asked_share,
        costs,
        members.sum(0)[result.labels],
        fixable,
    )


def specialist_ensemble(
    generalist: TrainedNetwork, specialists: Sequence[TrainedNetwork], subsets: Sequence[Sequence[int]], n: int,
    direction: str, name: str,
) -> TrainedNetwork:  # fmt: skip
    """Return a generalist with specialists as one network, whose logits are their combined log-probabilities.

    Only the specialists that know one of the generalist's `n` first classes run. `name`: as in `TrainedNetwork`.
    """

    class SpecialistEnsemble(nn.Module):
        """The generalist first, then the specialists, each on the images that are routed to it."""

        def __init__(self) -> None:
            super().__init__()
            self.generalist = generalist.module
            self.specialists = nn.ModuleList(specialist.module for specialist in specialists)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            """Return log-probabilities (batch, classes)."""
            first = self.generalist(inputs).float()
            logits = first.cpu().numpy()
            routed = route(logits, subsets, n)
            specialist_logits = []
            for index, (network, subset) in enumerate(zip(self.specialists, subsets, strict=True)):
                outputs = np.zeros((len(logits), len(subset) + 1), dtype=np.float32)
                if routed[:, index].any():
                    selected = torch.from_numpy(routed[:, index]).to(inputs.device)
                    outputs[routed[:, index]] = network(inputs[selected]).float().cpu().numpy()
                specialist_logits.append(outputs)
            log_probabilities = combine(logits, specialist_logits, subsets, routed, direction)
            return torch.from_numpy(log_probabilities).to(first)

    return TrainedNetwork(
        SpecialistEnsemble().eval(), name, cache_tag=[n, direction, [list(subset) for subset in subsets]]
    )
