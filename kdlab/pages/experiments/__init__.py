"""The pages of the experiments: what the paper found, what kdlab measured, and the same again here.

Here live the page, the pure view of its record and its panels; they import the experiments' framework, widgets,
figures, runs, and what all pages share.
"""

from kdlab.pages.experiments.index import Index
from kdlab.pages.experiments.page import Experiments

__all__ = ["Experiments", "Index"]
