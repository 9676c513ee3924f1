"""The page of one experiment, or of several that are one idea."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from kdlab.pages.experiments.page import ExperimentPage
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.widgets import Facts, Segments
from kdlab.pages.static_view import WithStaticView
from kdlab.registry import EXPERIMENTS
from kdlab.widgets.connection import Connection
from kdlab.widgets.element import Group
from kdlab.widgets.loop import Loop
from kdlab.widgets.url import UrlHash, UrlState

__all__ = ["ExperimentTabs"]

EXPERIMENT_KEY = "experiment"  # the address's key for the experiment that is shown


class ExperimentTabs(WithStaticView, Group):
    """The dashboard of the experiments called `names`; each has its own run. Raises UnknownNameError.

    `panels`: classes of further panels of each experiment.
    """

    static_view = "experiments"

    def __init__(self, *names: str, panels: Sequence[type[Panel]] = ()) -> None:
        self._panels = panels
        self.shown: dict[str, ExperimentPage] = {}  # made when first looked at
        entries = [EXPERIMENTS.find(name)[0] for name in names]
        self._loop = Loop(lambda: self.show(self._tabs.value), self._fail)
        self._tabs = Segments("Experiment", [(entry.key, entry.label) for entry in entries], names[0])
        self._tabs.hidden = len(names) < 2
        self._address = UrlHash(partial(self._loop.post, self._follow))
        super().__init__("kd-page", self._tabs, self._address, Connection())
        self._tabs.observe(lambda _: self._loop.request(), "value")
        self.show(names[0])

    def show(self, name: str) -> None:
        """Show the experiment called `name`; the others keep their state."""
        if name not in self.shown:
            self.shown[name] = ExperimentPage(name, self._panels, partial(self._write, name))
            self.shown[name].set_visitor(self._address.visitor)
            self.children = [*self.children, self.shown[name]]
        for key, page in self.shown.items():
            page.hidden = key != name
        self._write(name)

    def _follow(self, url: UrlState) -> None:
        """Apply the address: the experiment, and its run and choices."""
        names = [name for name, _ in self._tabs.options]
        choices, complaints = dict(url.choices), list(url.complaints)
        name = choices.pop(EXPERIMENT_KEY, names[0])
        if name not in names:
            complaints.append(f"This page has no experiment {name[:40]!r}, which its address names.")
            name = names[0]
        self._tabs.value = name
        self.show(name)
        for page in self.shown.values():
            page.set_visitor(self._address.visitor)
        self.shown[name].follow(replace(url, choices=choices, complaints=tuple(complaints)))

    def _write(self, name: str) -> None:
        """Write the choices and the run of the experiment called `name` to the address, if its page is shown."""
        if name == self._tabs.value and name in self.shown:
            experiment = {EXPERIMENT_KEY: name} if name != self._tabs.options[0][0] else {}
            self._address.choices = experiment | self.shown[name].choices
            self._address.run = self.shown[name].run

    def _fail(self, error: Exception) -> None:
        trouble = f"The page could not show this ({type(error).__name__}): the log says why."
        self.children = [*self.children, Facts(content={"text": [trouble]})]

    def close(self) -> None:
        """Leave the runs, which go on, and close the widget."""
        for page in getattr(self, "shown", {}).values():  # a page that could not be made is closed too
            page.close()
        super().close()
