"""The view of one experiment: its result, a run of it, and its logits scored anew by sliders."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import ipywidgets

from kdlab.experiments.framework.bundled import Result, load_bundled
from kdlab.experiments.framework.events import Event, ExperimentFinished, ExperimentPlanned, JobValidated, PlanAdvanced
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.experiments.framework.report_files import check_writable
from kdlab.pages.experiments import view
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.results import ExperimentResults
from kdlab.pages.experiments.settings import Settings, for_worker
from kdlab.pages.experiments.state import ExperimentState
from kdlab.pages.run_view import RunView
from kdlab.pages.url_state import read_settings, read_sliders, write_settings, write_sliders
from kdlab.paths import experiments_folder
from kdlab.registry import EXPERIMENTS
from kdlab.runs.protocol import RunRequest, RunSnapshot
from kdlab.widgets.element import Group
from kdlab.widgets.loop import Loop
from kdlab.widgets.segments import Segments

__all__ = ["ExperimentView"]

SIZES = "Quick shows in minutes how it goes; Full is what results as shipped come from, and may take hours."
CHOICE_KEY = "of"  # the address's key for the sliders' subject


class ExperimentView(RunView):
    """The experiment called `name`; `state` holds its choices, `live` is its run's record. Raises UnknownNameError.

    `panels`: classes of further panels.
    """

    css_class = "kd-experiment"
    rate = 4.0  # epochs are slow, and drawing takes time from training
    button_texts: ClassVar = {
        "start": [
            "▶ Start",
            "Train the networks of this experiment here; pieces that are kept from before are only read",
        ],
        "pause": ["❚❚ Pause", "Hold the run"],
        "step": ["+1 Epoch", "Train one epoch more and hold"],
        "stop": ["■ Stop", "End the run; the pieces that are finished are kept"],
        "reset": ["↺ Reset", "Back to the result and the settings this page opened with"],
    }

    def __init__(self, name: str, panels: Sequence[type[Panel]], changed: Callable[[], None]) -> None:
        self.entry, _ = EXPERIMENTS.find(name)
        self.state = ExperimentState(self.entry.build)
        self.live = ExperimentRecord()
        self._panel_kinds = panels
        self._shipped = load_bundled(name)
        self._pending_choice = ""  # the sliders' subject from the address, until there is a result to choose from
        super().__init__(name, changed)

    def _build(self) -> list[ipywidgets.Widget]:
        state, loop = self.state, self._loop
        self.size = Segments("Size", [("quick", "Quick"), ("full", "Full")], "quick", note=SIZES)
        self.size.add_class("kd-size")
        self.settings = Settings(state, self.entry.build)
        self.results = ExperimentResults(self.entry, state, self._panel_kinds)
        self.size.observe(lambda change: loop.post(self._resize, change["new"]), "value")
        state.observe(lambda _: loop.request(), ["shown", "quick", "turned", "choice", *state.settings])
        for panel in self.results.panels:
            # Each panel has its own loop: it follows a slider without waiting for the run or another panel.
            drawing = Loop(panel.draw, self._fail, rate=30.0)
            state.observe(lambda _, drawing=drawing: drawing.request(), list(panel.follows))
        state.observe(lambda _: loop.post(self._clear_error), list(state.settings))
        self.settings.observe(lambda _: loop.post(self._clear_error), "invalid")
        return [Group("kd-columns", Group("kd-controls", self._panel, self.size, self.settings), self.results)]

    # --- choices ------------------------------------------------------------------------------------------------------

    def _resize(self, size: str) -> None:
        if (size == "quick") != self.state.quick:
            self.state.apply(quick=size == "quick")
            self.settings.clear()

    def _request(self) -> RunRequest:
        self.settings.check()
        experiment = self.state.experiment()
        for panel in self.results.panels:
            panel.check()
        check_writable(experiments_folder())
        return self._request_of(self.state.quick, asdict(experiment))

    def _request_of(self, quick: bool, settings: dict[str, Any]) -> RunRequest:
        size = "quick" if quick else "full"
        experiment = for_worker(self.kind, quick, settings)
        return RunRequest(
            self.kind,
            "kdlab.experiments.framework.experiment_job:run_experiment_job",
            (self.kind, experiments_folder(), quick, settings),
            "kdlab.experiments.framework.record:ExperimentRecord",
            JobValidated,
            f"{self.entry.label} ({size}) on {settings['dataset']}",
            "experiment",
            experiment.limits_input(quick),
            {"size": size, "settings": settings},
        )

    def _resume_request(self, snapshot: RunSnapshot) -> RunRequest:
        return self._request_of(snapshot.config["size"] == "quick", dict(snapshot.config["settings"]))

    @property
    def choices(self) -> dict[str, str]:
        """What of the choices differs from the page's opening, as short texts."""
        state, kind = self.state, self.entry.build
        first = next(iter(self.results.explore.offered), "")
        return {
            **write_settings(state.chosen(), kind, state.quick),
            **write_sliders(state.turned, kind.sliders),
            **({CHOICE_KEY: state.choice} if state.choice not in ("", first) else {}),
        }

    def _choose(self, texts: dict[str, str], source: str) -> list[str]:
        if source == "link":
            texts = {**self.choices, **texts}  # what was set from code
        sliders, kind = {key: texts.pop(key) for key in list(texts) if key.startswith("move.")}, self.entry.build
        self._pick(texts.pop(CHOICE_KEY, ""))
        quick, settings, complaints = read_settings(texts, kind)
        self._set(quick, settings)
        self.state.turned, unusable = read_sliders(sliders, kind.sliders)
        return complaints + unusable

    def _pick(self, choice: str) -> None:
        """Set the sliders' subject, where it is offered."""
        offered = self.results.explore.offered
        self._pending_choice = "" if offered else choice
        if offered:
            self.state.choice = choice if choice in offered else offered[0]

    def _set(self, quick: bool, settings: dict[str, Any]) -> None:
        self.state.apply(quick)
        self.settings.clear()
        for name, value in settings.items():
            setattr(self.state, name, value)
        self.size.value = "quick" if quick else "full"

    # --- the run ------------------------------------------------------------------------------------------------------

    def _show_opening(self) -> None:
        self.live = ExperimentRecord()
        self._choose({}, "edit")
        self.state.shown = "shipped"

    def _attach(self, snapshot: RunSnapshot, adopt: bool) -> None:
        """Show the record of a run so far; its further events are added to it."""
        self.live = snapshot.record
        self.live.settings = snapshot.config["settings"]
        if adopt:
            self._set(snapshot.config["size"] == "quick", dict(snapshot.config["settings"]))
        self.state.shown = "run" if self.live.result else "shipped"

    def _record(self, event: Event) -> None:
        done_before = self.live.done
        self.live.append(event)
        match event:
            case ExperimentPlanned():
                self._eta.reset()
            case PlanAdvanced(seconds) if seconds > done_before:
                self._eta.tick(seconds)
            case ExperimentFinished():
                self.state.shown = "run"

    # --- drawing, on the kernel's loop only ---------------------------------------------------------------------------

    @property
    def result(self) -> Result | None:
        """What is shown: the run's result once there is one, or the shipped one when that was chosen."""
        return self.live.result if self.state.shown == "run" else self._shipped

    def _progress(self) -> tuple[float, str]:
        live = self.live
        # The first steps of all are slow, so that for a while the plan knows better.
        settled = live.planned and live.done > live.planned.seconds / 20
        left = self._eta.seconds_left(live.planned.seconds) if live.planned and settled else None
        return view.progress(live, self._panel.state, left, self._controller.status_text)

    def _draw(self) -> None:
        if self.results.draw(self.result, self._shipped, self.live, self._panel.state) and self._pending_choice:
            self._pick(self._pending_choice)
