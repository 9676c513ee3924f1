"""The page "Distil": its state, a pure view of it, and the page that joins them to a run."""

from kdlab.pages.distil.page import Distil

__all__ = ["Distil"]
