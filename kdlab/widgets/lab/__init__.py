"""The temperature lab: browser-side modules, the widget that brings them, and the file that needs no kernel."""

from kdlab.widgets.lab.standalone import to_html
from kdlab.widgets.lab.supply import Supply
from kdlab.widgets.lab.widget import Lab

__all__ = ["Lab", "Supply", "to_html"]
