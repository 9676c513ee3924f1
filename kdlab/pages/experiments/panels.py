"""Further panels of experiments that have something of their own to show, by the experiment's key."""

from collections.abc import Mapping, Sequence

from kdlab.pages.experiments.panel import Panel
from kdlab.pages.specialists.ask import AskThem
from kdlab.pages.specialists.confused import ConfusedClasses

__all__ = ["PANELS"]

PANELS: Mapping[str, Sequence[type[Panel]]] = {"specialists": (ConfusedClasses, AskThem)}
