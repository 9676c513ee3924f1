"""The page "Distil": choose data and networks, press Start, and turn the knobs while the student learns."""

from functools import partial

from kdlab.pages.catalogue import DISTIL
from kdlab.pages.distil.run_view import DistilView
from kdlab.pages.distil.state import DistilState
from kdlab.pages.run_page import RunPage
from kdlab.train.history import History

__all__ = ["Distil"]


class Distil(RunPage):
    """The dashboard; `state` holds its choices, `history` is the shown run's."""

    view: DistilView

    def __init__(self) -> None:
        super().__init__(DISTIL, {"distil": "Distil"})

    def _make_view(self, key: str) -> DistilView:
        return DistilView(partial(self._write, key))

    @property
    def state(self) -> DistilState:
        """The choices on the page."""
        return self.view.state

    @property
    def history(self) -> History:
        """The history that is shown."""
        return self.view.history
