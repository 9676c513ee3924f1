"""The page "Experiments": a card for each page."""

from kdlab.experiments.framework.bundled import load_bundled
from kdlab.pages.catalogue import INDEX, pages
from kdlab.pages.experiments import view
from kdlab.pages.experiments.widgets import Cards
from kdlab.pages.page import Page
from kdlab.widgets.header import UrlState
from kdlab.widgets.loop import Loop

__all__ = ["Index"]


class Index(Page):
    """The pages with the question that each answers, and the first verdict of a result that comes with kdlab."""

    def __init__(self) -> None:
        super().__init__(INDEX, Loop(self._draw, self._fail))
        self._cards = Cards()
        self.children = [self.header, self._cards]
        self._draw()

    def _draw(self) -> None:
        results = {name: load_bundled(name) for link in pages() for name in link.experiments[:1]}
        self._cards.content = view.cards(pages(), {key: result for key, result in results.items() if result})

    def _fail(self, error: Exception) -> None:
        raise error

    def _follow(self, url: UrlState) -> None:
        """Do nothing: this page has no choices."""
