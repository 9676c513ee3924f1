"""A page of runs: one view of a run, or several in tabs, and the address that names what is shown."""

from collections.abc import Mapping
from dataclasses import replace

from kdlab.pages.catalogue import EXPERIMENT_KEY, PageLink
from kdlab.pages.page import Page
from kdlab.pages.run_view import RunView
from kdlab.widgets.facts import Facts
from kdlab.widgets.header import UrlState
from kdlab.widgets.loop import Loop
from kdlab.widgets.segments import Segments

__all__ = ["RunPage"]


class RunPage(Page):
    """A page with a view for each of `tabs` (labels by key), made by `_make_view` when it is first looked at.

    `shown`: the views by key; each has its own run. `of_address`: none is shown before the browser sends the address.
    """

    _tabs: Segments | None = None  # where there are several
    _trouble: Facts | None = None
    shown: Mapping[str, RunView] = {}  # also of a page whose making failed

    def __init__(self, link: PageLink, tabs: Mapping[str, str], of_address: bool = False) -> None:
        self._loop = Loop(self._show_tab, self._fail)
        self.shown = {}
        self._keys = list(tabs)
        self._key = self._keys[0]  # of the view that is shown
        super().__init__(link, self._loop)
        if len(tabs) > 1 or of_address:
            self._tabs = Segments("Experiment", list(tabs.items()), self._key)
            self._tabs.hidden = len(tabs) < 2
            self._tabs.observe(lambda _: self._loop.request(), "value")
            self.children = [self.header, self._tabs]
        if not of_address:
            self.show(self._key)

    def _make_view(self, key: str) -> RunView:
        """Return the view of a tab."""
        raise NotImplementedError

    @property
    def view(self) -> RunView:
        """The view that is shown."""
        return self.shown[self._key]

    def _show_tab(self) -> None:
        if self._tabs and self._tabs.value in self._keys:  # a browser may send anything
            self.show(self._tabs.value)

    def show(self, key: str) -> None:
        """Show the view of a tab; the others keep their state."""
        if key not in self.shown:
            self.shown = {**self.shown, key: self._make_view(key)}
            self.shown[key].set_visitor(self.header.visitor)
        for name, view in self.shown.items():
            view.hidden = name != key
        if self.shown[key] not in self.children:
            self.children = [*self.children, self.shown[key]]
        self._key = key
        if self._tabs:
            self._tabs.value = key
        self._write(key)

    def _follow(self, url: UrlState) -> None:
        """Apply the address: the tab, its run and its choices."""
        if self.comm is None:
            return  # the cell was run again meanwhile
        remembered = url.source == "memory"
        if remembered and url.choices.get(EXPERIMENT_KEY, self._key) not in self._keys:
            url = UrlState(source="memory")  # of another page that stood in this cell
        choices, complaints = dict(url.choices), list(url.complaints)
        key = choices.pop(EXPERIMENT_KEY, self._key if remembered else self._keys[0])
        if key not in self._keys:
            complaints.append(f"This page has no experiment {key[:40]!r}, which its address names.")
            key = self._keys[0]
        self.show(key)
        for view in self.shown.values():
            view.set_visitor(self.header.visitor)
        self.shown[key].follow(replace(url, choices=choices, complaints=tuple(complaints)))

    def _write(self, key: str) -> None:
        """Write the choices and the run of a tab to the address, if it is shown."""
        if key == self._key and key in self.shown:
            self.header.choices = self._address_of(key) | self.shown[key].choices
            self.header.run = self.shown[key].run

    def _address_of(self, key: str) -> dict[str, str]:
        """Return the choices that lead to a tab."""
        return {EXPERIMENT_KEY: key} if key != self._keys[0] else {}

    def close(self) -> None:
        """Leave the runs, which go on, and close the widgets; a notebook's `Out` keeps nothing of them."""
        super().close()
        self.shown = {}

    def _fail(self, error: Exception) -> None:
        if not self._trouble:
            self._trouble = Facts()
            self.children = [*self.children, self._trouble]
        sentence = f"The page could not show this ({type(error).__name__}): the log says why."
        self._trouble.content = {"text": [sentence]}
