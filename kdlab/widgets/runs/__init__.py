"""The widgets of the page "Your runs"."""

from kdlab.widgets.runs.widgets import Answer, Compared, RunList

__all__ = ["Answer", "Compared", "RunList"]
