"""The page of the experiments: one of them, or several that are one idea."""

from collections.abc import Sequence
from functools import partial

from kdlab.pages.catalogue import EXPERIMENT_KEY, experiment_page
from kdlab.pages.experiments.panels import PANELS
from kdlab.pages.experiments.run_view import ExperimentView
from kdlab.pages.run_page import RunPage
from kdlab.registry import EXPERIMENTS
from kdlab.widgets.header import UrlState

__all__ = ["Experiments"]


class Experiments(RunPage):
    """The dashboard of the experiments called `names`; of those that the address names, when none is given.

    Raises UnknownNameError.
    """

    def __init__(self, *names: str) -> None:
        self._of_address = not names
        keys = [EXPERIMENTS.find(name)[0].key for name in names or EXPERIMENTS]
        link = experiment_page(keys[0])
        super().__init__(link, _labels(keys if names else link.experiments), of_address=not names)

    def _make_view(self, key: str) -> ExperimentView:
        return ExperimentView(key, PANELS.get(key, ()), partial(self._write, key))

    def show(self, key: str) -> None:
        """Show an experiment, and beside it those on the same page."""
        super().show(key)
        link = experiment_page(key)
        self.header.title, self.header.lead = link.title, link.lead

    def _address_of(self, key: str) -> dict[str, str]:
        return {EXPERIMENT_KEY: key} if self._of_address else super()._address_of(key)

    def _follow(self, url: UrlState) -> None:
        key = url.choices.get(EXPERIMENT_KEY, "")
        if self._of_address and key in EXPERIMENTS:
            self._offer(experiment_page(key).experiments)
        super()._follow(url)

    def _offer(self, keys: Sequence[str]) -> None:
        """Offer these experiments in tabs."""
        if list(keys) != self._keys and self._tabs:
            self._keys = list(keys)
            for key in [key for key, view in self.shown.items() if key not in keys and not view.run]:
                view = self.shown[key]
                self.shown = {name: shown for name, shown in self.shown.items() if shown is not view}
                self.children = [child for child in self.children if child is not view]
                view.close()
            with self._tabs.hold_sync():
                self._tabs.options, self._tabs.value = [list(pair) for pair in _labels(keys).items()], keys[0]
            self._tabs.hidden = len(keys) < 2


def _labels(keys: Sequence[str]) -> dict[str, str]:
    return {key: EXPERIMENTS[key].label for key in keys}
