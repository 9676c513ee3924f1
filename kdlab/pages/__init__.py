"""The pages, one folder each with its Python, JavaScript and CSS; they import everything below, but never torch."""

from kdlab.pages.distil import Distil
from kdlab.pages.experiments import Experiments, Index
from kdlab.pages.runs import Runs
from kdlab.pages.temperature.page import Temperature

__all__ = ["Distil", "Experiments", "Index", "Runs", "Temperature"]
