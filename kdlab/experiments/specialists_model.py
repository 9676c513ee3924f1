"""A generalist that asks specialists: as one network that answers, and what it answers, and at which cost, by n."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.jobs import Trained
from kdlab.specialists.combine import DIRECTIONS, combine
from kdlab.specialists.routing import route
from kdlab.specialists.subsets import membership, read_subsets

if TYPE_CHECKING:
    from kdlab.experiments.framework.experiment import Exam

__all__ = ["MOST", "Consulted", "consultation", "consulted"]

MOST = 5  # first classes of the generalist at the most, whose specialists are asked


@dataclass(frozen=True, eq=False)
class Consulted:
    """What asking specialists came to on the test set, for one seed.

    `way`: the direction's number among `DIRECTIONS`, and n, as chosen; `answers`: the class that is answered,
    (directions, n from 0 to `MOST`, examples); `asked`: for which share of the examples a specialist was, (n,
    specialists); `costs`: million multiply-adds of an answer, (n,); `known`: how many know the true class, (examples,);
    `mendable`: which errors of the generalist have true and answered class with one specialist, bool (examples,).
    """

    way: tuple[int, int]
    said: list[NDArray[np.float32]]
    answers: NDArray[np.int64]
    asked: NDArray[np.float64]
    costs: NDArray[np.float64]
    known: NDArray[np.int64]
    mendable: NDArray[np.bool_]


def consulted(exam: "Exam") -> Consulted:
    """Combine what generalist and specialists said in all ways."""
    generalist, subsets = exam.logits["generalist"], read_subsets(exam.chosen["subsets"], exam.classes)
    said = [exam.logits[f"specialist {at}"] for at in range(len(subsets))]
    routes = [route(generalist, subsets, n) for n in range(MOST + 1)]
    answers = [
        [combine(generalist, said, subsets, asked, direction).argmax(1) for asked in routes] for direction in DIRECTIONS
    ]
    each = np.array([exam.sizes[f"specialist {at}"]["multiply_adds"] for at in range(len(subsets))])
    share = np.stack([asked.mean(0) for asked in routes])
    costs = (exam.sizes["generalist"]["multiply_adds"] + share @ each) / 1e6
    members, first = membership(subsets, len(exam.classes)), generalist.argmax(1)
    both = (members[:, exam.labels] & members[:, first]).any(0) & (first != exam.labels)
    way = list(DIRECTIONS).index(exam.chosen["direction"]), exam.chosen["n"]
    return Consulted(
        way, said, np.stack([np.stack(one) for one in answers]), share, costs, members.sum(0)[exam.labels], both
    )


def consultation(
    generalist: Trained, specialists: Sequence[Trained], subsets: Sequence[Sequence[int]], n: int, direction: str,
    name: str,
) -> Trained:  # fmt: skip
    """Return a generalist with specialists as one network, whose logits are the log of their combined answer.

    Only the specialists that know one of the generalist's `n` first classes are run. `name`: as `Trained` has it.
    """
    import torch
    from torch import Tensor, nn

    class Consultation(nn.Module):
        """The generalist first, then those that it asks, each for the images that it is asked about."""

        def __init__(self) -> None:
            super().__init__()
            self.generalist = generalist.module
            self.specialists = nn.ModuleList(one.module for one in specialists)

        def forward(self, inputs: Tensor) -> Tensor:
            """Return log-probabilities (batch, classes)."""
            first = self.generalist(inputs).float()
            logits = first.cpu().numpy()
            asked = route(logits, subsets, n)
            said = []
            for at, (network, subset) in enumerate(zip(self.specialists, subsets, strict=True)):
                answers = np.zeros((len(logits), len(subset) + 1), dtype=np.float32)
                if asked[:, at].any():
                    whose = torch.from_numpy(asked[:, at]).to(inputs.device)
                    answers[asked[:, at]] = network(inputs[whose]).float().cpu().numpy()
                said.append(answers)
            together = combine(logits, said, subsets, asked, direction)
            return torch.from_numpy(together).to(first)

    return Trained(Consultation().eval(), name, mark=[n, direction, [list(subset) for subset in subsets]])
