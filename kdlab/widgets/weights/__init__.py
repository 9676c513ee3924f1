"""A field for a file with a network's weights."""

from kdlab.widgets.weights.widget import WeightsField

__all__ = ["WeightsField"]
