"""The base classes of the pages' widgets: one model in the browser each, which can be hidden."""

import anywidget
import ipywidgets
from traitlets import Instance

from kdlab.widgets.esm import WIDGET

__all__ = ["Element", "Group", "Hideable"]


class Hideable(ipywidgets.DOMWidget):
    """A widget without ipywidgets' layout model, as style sheets lay out the pages."""

    layout = Instance(ipywidgets.Layout, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)

    @property
    def hidden(self) -> bool:
        """Whether the page hides the widget."""
        return "kd-hidden" in self._dom_classes

    @hidden.setter
    def hidden(self, hidden: bool) -> None:
        (self.add_class if hidden else self.remove_class)("kd-hidden")


class Element(Hideable, anywidget.AnyWidget):
    """A widget that its JavaScript draws: the trait `_code`, made by `kdlab.widgets.esm.code`."""

    _esm = WIDGET


class Group(Hideable, ipywidgets.Box):
    """Widgets in an element of the CSS class `name`."""

    def __init__(self, name: str, *children: ipywidgets.Widget) -> None:
        super().__init__(children)
        self.add_class(name)

    def close(self) -> None:
        """Close the widget and those in it."""
        for child in self.children:
            child.close()
        self.children = ()
        super().close()
