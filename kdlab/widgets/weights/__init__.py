"""A network's weights from a file of one's own."""

from kdlab.widgets.weights.widget import WeightsField

__all__ = ["WeightsField"]
