"""The page "Your runs": its state, a pure view of it, and the page that joins them to a server of runs.

It imports runs, widgets, figures, metrics, and the specs and histories of training.
"""

from kdlab.pages.runs.page import Runs

__all__ = ["Runs"]
