"""The page of one experiment, or of several that are one idea."""

from collections.abc import Sequence

import ipywidgets

from kdlab.dashboards.experiments.one import OneExperiment
from kdlab.dashboards.experiments.panel import Panel
from kdlab.registry import EXPERIMENTS
from kdlab.widgets.experiments import Facts, Segments
from kdlab.widgets.loop import Loop

__all__ = ["Experiments"]


class Experiments(ipywidgets.VBox):
    """The dashboard of the experiments called `names`; each has its own run. Raises UnknownNameError.

    `panels`: classes of what each of them shows beside what all experiments show.
    """

    def __init__(self, *names: str, panels: Sequence[type[Panel]] = ()) -> None:
        self._panels = panels
        self.shown: dict[str, OneExperiment] = {}  # made when first looked at
        entries = [EXPERIMENTS.find(name)[0] for name in names]
        self._loop = Loop(lambda: self.show(self._tabs.value), self._fail)
        self._tabs = Segments("Experiment", [(entry.key, entry.label) for entry in entries], names[0])
        self._tabs.layout.display = None if len(names) > 1 else "none"
        super().__init__([self._tabs])
        self.add_class("kd-page")
        self._tabs.observe(lambda _: self._loop.request(), "value")
        self.show(names[0])

    def show(self, name: str) -> None:
        """Show the experiment called `name`; the others keep what they have."""
        if name not in self.shown:
            self.shown[name] = OneExperiment(name, self._panels)
            self.children = [*self.children, self.shown[name]]
        for key, one in self.shown.items():
            one.layout.display = None if key == name else "none"

    def _fail(self, error: Exception) -> None:
        trouble = f"The page could not show this ({type(error).__name__}: {error})."
        self.children = [*self.children, Facts(content={"text": [trouble]})]

    def close(self) -> None:
        """End the workers, then close the widget."""
        for one in self.shown.values():
            one.close()
        super().close()
