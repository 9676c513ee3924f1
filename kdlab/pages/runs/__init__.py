"""The page "Your runs": its state, a pure view of it, and the page that joins them to a desk."""

from kdlab.pages.runs.page import Runs

__all__ = ["Runs"]
