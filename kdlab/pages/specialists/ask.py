"""The panel that shows, for a chosen picture, which specialists were asked and their answers."""

from dataclasses import replace

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.state import ExperimentState
from kdlab.pages.specialists.answers import SpecialistAnswers
from kdlab.pages.specialists.widgets import Asking
from kdlab.registry import Entry
from kdlab.widgets.slider import Slider

__all__ = ["AskThem"]


class AskThem(Panel):
    """Pictures of a result's validation images, and the answers of generalist and specialists for the chosen one."""

    follows = ("turned", "choice")
    css_class = "kd-ask"

    def __init__(self, entry: Entry, state: ExperimentState) -> None:
        super().__init__(entry, state)
        self.asking = Asking()
        # The same as those of "Move and see", which are out of sight from here.
        self.sliders = {
            knob.key: Slider(replace(knob, label=f"{knob.label}: {knob.help}"), state.turned[knob.key])
            for knob in entry.build.sliders
        }
        for key, slider in self.sliders.items():
            slider.observe(lambda change, key=key: self._move_slider(key, change["new"]), "value")
        self.children = [self.asking, *self.sliders.values()]
        self._answers: SpecialistAnswers | None = None
        self.asking.observe(lambda _: self.draw(), "chosen")

    def show(self, result: Result | None, live: ExperimentRecord) -> None:
        """Show the pictures of another result, or nothing."""
        arrays = result.arrays if result else {}
        self._answers = SpecialistAnswers.of(arrays) if "pictures" in arrays else None
        self.hidden = not self._answers
        if result and self._answers:
            truths = [self._answers.classes[label] for label in self._answers.truths]
            self.asking.show(arrays["pictures"], arrays["pictured"], truths, chosen=0, split=result.split)
            self.draw()

    def draw(self) -> None:
        """Ask anew where the sliders stand."""
        for key, slider in self.sliders.items():
            slider.value = self._state.turned[key]
        answers, n = self._answers, int(self._state.turned.get("n", 1))
        if answers:
            index = min(max(0, self.asking.chosen), len(answers.truths) - 1)
            self.asking.answer = answers.answer(index, n, self._state.choice)
            self.asking.outcomes = answers.outcomes(n, self._state.choice)

    def _move_slider(self, key: str, value: float) -> None:
        self._state.turned = {**self._state.turned, key: value}
