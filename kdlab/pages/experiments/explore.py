"""The panel whose sliders score kept logits anew."""

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.pages.experiments import view
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.state import ExperimentState
from kdlab.registry import Entry
from kdlab.widgets.canvas import Charts
from kdlab.widgets.element import Group
from kdlab.widgets.facts import Facts
from kdlab.widgets.form import ChoiceField, Form
from kdlab.widgets.slider import Slider

__all__ = ["Explore"]

TITLE = "Move and see"
TEXT = "What the first seed's networks answer on the {split} images is scored anew as you move: nothing is trained."
HALF_PRECISION = "This report kept the answers in half precision, so counts may differ by a few from the table's."


class Explore(Panel):
    """Sliders, tiles and charts of a result; `state` holds the choices."""

    follows = ("turned", "choice")
    css_class = "kd-explore"

    def __init__(self, entry: Entry, state: ExperimentState) -> None:
        super().__init__(entry, state)
        self._result: Result | None = None
        self.sliders = {knob.key: Slider(knob, state.turned[knob.key]) for knob in entry.build.sliders}
        for key, slider in self.sliders.items():
            slider.observe(lambda change, key=key: self._move_slider(key, change["new"]), "value")
        self.offered: list[str] = []  # what the sliders may be about
        self.choices = Form(state, {"choice": ChoiceField("Of")})
        controls = Group("kd-explore-controls", self.choices, *self.sliders.values())
        self.tiles, self.charts = Facts(), Charts()
        self.title = Facts()
        self.children = [self.title, controls, self.tiles, self.charts]

    def show(self, result: Result | None, live: ExperimentRecord) -> None:
        """Explore another result, or nothing."""
        self._result = result if result and result.arrays and self.sliders else None
        self.hidden = not self._result
        if self._result is None:
            return
        split = self._result.split
        text = [TEXT.format(split=split), *([HALF_PRECISION] if split == "test" else [])]
        self.title.content = {"title": TITLE, "text": text}
        self.offered = list(self._entry.build.choices(self._result.arrays))
        if self._state.choice not in self.offered:
            self._state.choice = next(iter(self.offered), "")
        self.choices.offer("choice", self.offered)
        self.choices.hidden = not self.offered
        self.draw()

    def draw(self) -> None:
        """Score anew."""
        for key, slider in self.sliders.items():
            slider.value = self._state.turned[key]  # another panel may have turned it
        if self._result is not None:
            self.tiles.content, figures = view.explored(
                self._entry, self._result, self._state.choice, self._state.turned
            )
            self.charts.show(figures)

    def _move_slider(self, key: str, value: float) -> None:
        self._state.turned = {**self._state.turned, key: value}
