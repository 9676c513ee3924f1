"""The page "Specialists": small experts for the classes that a generalist confuses.

Here live its two panels; they import the page and the framework of the experiments, `kdlab.specialists` and widgets.
"""

from kdlab.pages.experiments import Experiments
from kdlab.pages.specialists.ask import AskThem
from kdlab.pages.specialists.confused import ConfusedClasses

__all__ = ["Specialists"]


class Specialists(Experiments):
    """The experiment "specialists" with the classes of each to be edited, and pictures to ask all about."""

    static_view = "specialists"

    def __init__(self) -> None:
        super().__init__("specialists", panels=(ConfusedClasses, AskThem))
