"""The pages of the experiments: what the paper found, what kdlab measured, and the same again here."""

from kdlab.dashboards.experiments.index import Index
from kdlab.dashboards.experiments.page import Experiments

__all__ = ["Experiments", "Index"]
