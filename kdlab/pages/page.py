"""What all pages have: a head with links, the address, and an end at which everything is freed."""

from functools import partial
from typing import Any

from kdlab.pages.catalogue import PageLink, navigation
from kdlab.pages.static_view import WithStaticView
from kdlab.widgets.element import Group
from kdlab.widgets.header import Header, UrlState
from kdlab.widgets.kernel import current_cell
from kdlab.widgets.loop import Loop

__all__ = ["Page", "replace_page"]

# By notebook and cell: the last execution that made pages there, and those pages.
_pages: dict[str, tuple[str, list[Any]]] = {}


class Page(WithStaticView, Group):
    """A page of the catalogue; a notebook's cell that is run again closes the pages that it made before."""

    def __init__(self, link: PageLink, loop: Loop) -> None:
        self.link = link
        cell, _ = current_cell()
        self.header = Header(
            partial(loop.post, self._follow),
            navigation(link),
            title=link.title,
            lead=link.lead,
            page=link.notebook,
            cell=cell,
        )
        super().__init__("kd-page", self.header)
        replace_page(self)

    def _follow(self, url: UrlState) -> None:
        """Apply what the address says."""
        raise NotImplementedError


def replace_page(page: Any) -> None:
    """Close the pages that earlier executions of this notebook's cell made, as nobody sees them any more."""
    cell, execution = current_cell()
    if not cell:
        return
    before, made = _pages.get(cell, (execution, []))
    if before != execution:
        for old in made:
            old.close()
        made = []
    _pages[cell] = execution, [*made, page]
