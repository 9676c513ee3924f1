"""Everything that the page "Distil" shows of a run: numbers, figures and examples."""

from typing import Any

import ipywidgets
from traitlets import link

from kdlab.pages.distil import view
from kdlab.pages.distil.figures import CURVES, MATRICES, comparable, of_before
from kdlab.pages.distil.gallery import Gallery
from kdlab.pages.distil.soft_targets import SoftTargets
from kdlab.pages.distil.state import DistilState
from kdlab.progress import singular
from kdlab.train.history import History
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.element import Group
from kdlab.widgets.loop import Loop
from kdlab.widgets.slider import Slider
from kdlab.widgets.summary import Summary

__all__ = ["DistilResults"]


class DistilResults(Group):
    """Shows a history; `state` holds the chosen cell and example, and `temperature` moves the soft targets."""

    def __init__(self, state: DistilState, temperature: Slider, loop: Loop) -> None:
        self._state = state
        self._drawn: object = None  # what the matrices show
        self.history = History()
        self.summary = Summary()
        self.canvases = {name: Canvas() for name in (*CURVES, *MATRICES)}
        self.bars, self.gallery = SoftTargets(), Gallery()
        # In the browser as well, so that the bars follow the slider without waiting for the kernel.
        self._link = ipywidgets.jslink((temperature, "value"), (self.bars, "temperature"))
        super().__init__(
            "kd-results",
            self.summary,
            Group("kd-curves", *(self.canvases[name] for name in CURVES)),
            Group("kd-matrices", *(self.canvases[name] for name in MATRICES)),
            Group("kd-examples", self.bars, self.gallery),
        )
        self.gallery.add_class("kd-card")
        for name in MATRICES:
            self.canvases[name].observe(lambda change, name=name: loop.post(self._click, name, change.new), "clicked")
        link((state, "chosen"), (self.gallery, "chosen"))
        state.observe(lambda _: loop.post(self.show_chosen), "chosen")

    def close(self) -> None:
        """Close the widgets."""
        self._link.close()
        super().close()

    def draw(self, history: History, before: History | None, state: str, waiting: bool, note: str) -> None:
        """Draw `history`, and of the run `before` what it does not have yet.

        `state`: of the run; `waiting`: it has not opened its data, so that `history` is another run's; `note`: a
        sentence on the history, or "".
        """
        self.history, before = history, comparable(before, history)
        for name, curves in CURVES.items():
            self.canvases[name].figure = curves(history, before)
        evaluated = history, history.evaluations, len(history.notes), history.result is None, state, waiting, before
        if evaluated == self._drawn:  # between two evaluations nothing below moves
            return
        self._drawn = evaluated
        for name, matrix in MATRICES.items():
            figure = matrix(history)
            pale = {} if figure or before is None else of_before(matrix(before))
            self.canvases[name].figure = figure or pale
            (self.canvases[name].add_class if pale else self.canvases[name].remove_class)("kd-pale")
        self.summary.content = view.waiting(history, state) if waiting else view.summary(history, note, state)
        self.bars.example = view.example(history, self._state.chosen)

    def show_pictures(self) -> None:
        """Show the images behind the chosen cell."""
        opened = self.history.opened
        assert opened is not None
        pictures = view.pictures(self.history, self._state.cell)
        images, unit = opened.images[pictures.indices], singular(opened.example_unit)
        self.gallery.show(pictures.title, images, pictures.indices, pictures.captions, unit)

    def show_chosen(self) -> None:
        """Show the chosen example."""
        opened, chosen = self.history.opened, self._state.chosen
        assert opened is not None
        self.bars.show_picture(view.picked(opened, chosen), opened.images[chosen])
        self.bars.example = view.example(self.history, chosen)

    def _click(self, matrix: str, clicked: dict[str, Any]) -> None:
        if not MATRICES[matrix](self.history):
            return  # what stands there is of the run before
        self._state.cell = view.Cell(matrix, clicked["y"], clicked["x"])
        self.show_pictures()
