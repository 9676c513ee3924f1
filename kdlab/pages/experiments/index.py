"""The page "Experiments": a card for each page."""

from kdlab.experiments.framework.bundled import load_bundled
from kdlab.pages.catalogue import PAGES
from kdlab.pages.experiments import view
from kdlab.pages.experiments.widgets import Cards
from kdlab.pages.static_view import WithStaticView
from kdlab.widgets.element import Group

__all__ = ["Index"]


class Index(WithStaticView, Group):
    """The pages with the question that each answers, and the first verdict of a result that comes with kdlab."""

    static_view = "index"

    def __init__(self) -> None:
        results = {name: load_bundled(name) for page in PAGES for name in page.experiments[:1]}
        shipped = {key: result for key, result in results.items() if result}
        super().__init__("kd-page", Cards(content=view.cards(PAGES, shipped)))
