"""The pages. None of them imports torch."""

from kdlab.dashboards.distil import Distil
from kdlab.dashboards.experiments import Experiments, Index
from kdlab.dashboards.runs import Runs
from kdlab.dashboards.specialists import Specialists
from kdlab.dashboards.temperature import Temperature

__all__ = ["Distil", "Experiments", "Index", "Runs", "Specialists", "Temperature"]
