"""The page "Distil": its state, a pure view of it, and the page that joins them to a run.

It imports the widgets, figures, metrics, runs, the specs, events and histories of training, and what all pages share.
"""

from kdlab.pages.distil.page import Distil

__all__ = ["Distil"]
