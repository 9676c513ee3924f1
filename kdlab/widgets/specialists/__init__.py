"""What the page "Specialists" shows beside other experiments: confused classes with their subsets, and answers."""

from kdlab.widgets.specialists.widgets import Asking, Confused

__all__ = ["Asking", "Confused"]
