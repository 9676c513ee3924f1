"""The pages of the experiments: what the paper found, what kdlab measured, and the same again here."""

from kdlab.pages.experiments.index import Index
from kdlab.pages.experiments.tabs import ExperimentTabs as Experiments

__all__ = ["Experiments", "Index"]
