"""What of a spec can only be judged with torch, or with the data at hand: asked before anything is trained."""

import torch

from kdlab.core import models
from kdlab.core.data import Dataset
from kdlab.core.spec import Spec
from kdlab.registry import OBJECTIVES, InputError

__all__ = ["check_network", "check_parameters", "check_transfer_size", "check_weights"]


def check_weights(spec: Spec) -> None:
    """Raise InputError when all weights of the objective are 0."""
    nothing = torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    objective = OBJECTIVES.find(spec.objective)[0].build
    if not any(part.weight for part in objective(*nothing, **spec.knobs).values()):
        raise InputError("All weights of the objective are 0, so the student would learn nothing: raise one of them.")


def check_transfer_size(spec: Spec, data: Dataset) -> None:
    """Raise InputError when the transfer set would be larger than the training set."""
    if spec.transfer_size > len(data.train):
        raise InputError(
            f"The transfer set cannot have {spec.transfer_size:,} images, because {spec.dataset} has "
            f"{len(data.train):,} to train on: choose fewer, or 0 for all."
        )


def check_parameters(spec: Spec, data: Dataset, most: float) -> None:
    """Raise InputError when one of the spec's networks would have more than `most` parameters on these data."""
    for role in ("teacher", "student"):
        check_network(role, getattr(spec, role), data, most)


def check_network(role: str, name: str, data: Dataset, most: float) -> None:
    """Raise InputError when the network called `name`, which a sentence calls `role`, would have more than `most`."""
    with torch.device("meta"):  # where weights have sizes, but take no memory
        network = models.build(name, data.shape, len(data.classes))
    if (count := sum(parameter.numel() for parameter in network.parameters())) > most:
        raise InputError(
            f"The {role} {name} has {count:,} parameters; this server allows {most:,.0f}: choose a smaller one."
        )
