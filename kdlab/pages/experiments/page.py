"""The page of one experiment: its result, a run of it, and its logits scored anew by sliders."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import ipywidgets
from traitlets import link

from kdlab.experiments.framework.bundled import Result, load_bundled
from kdlab.experiments.framework.events import Event, ExperimentFinished, ExperimentPlanned, JobValidated, PlanAdvanced
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.experiments.framework.report_files import check_writable
from kdlab.pages.catalogue import PAGES
from kdlab.pages.eta import Eta
from kdlab.pages.experiments import view
from kdlab.pages.experiments.charts import Charts
from kdlab.pages.experiments.explore import Explore
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.settings import Settings, for_worker
from kdlab.pages.experiments.state import ExperimentState
from kdlab.pages.experiments.widgets import Facts, Findings, JobList, Segments
from kdlab.pages.machine_note import machine_line
from kdlab.pages.run_controller import RunController, RunPage
from kdlab.pages.url_state import read_settings, read_sliders, write_settings, write_sliders
from kdlab.paths import experiments_folder
from kdlab.registry import EXPERIMENTS
from kdlab.runs.protocol import EventBatch, RunMessage, RunRequest, RunSnapshot, Status
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.element import Group
from kdlab.widgets.loop import Loop
from kdlab.widgets.run_panel import RunPanel
from kdlab.widgets.url import UrlState

__all__ = ["ExperimentPage"]

BUTTON_TEXTS = {
    "start": ["▶ Start", "Train the networks of this experiment here; pieces that are kept from before are only read"],
    "pause": ["❚❚ Pause", "Hold the run"],
    "step": ["+1 Epoch", "Train one epoch more and hold"],
    "stop": ["■ Stop", "End the run; the pieces that are finished are kept"],
    "reset": ["↺ Reset", "Back to the result and the settings this page opened with"],
}
SIZES = "Quick shows in minutes how it goes; Full is what results as shipped come from, and may take hours."
OTHER_PAGE = "The run that the address names is not of this experiment: open it from the list of runs."
CHOICE_KEY = "of"  # the address's key for the sliders' subject


class ExperimentPage(RunPage):
    """The experiment called `name`; `state` holds its choices, `live` is its run's record. Raises UnknownNameError.

    `panels`: classes of further panels. `changed` is called when `choices` or `run`, which the address holds, may have
    changed.
    """

    def __init__(
        self, name: str, panels: Sequence[type[Panel]] = (), changed: Callable[[], None] = lambda: None
    ) -> None:
        self._loop = Loop(self._draw, self._fail, rate=4.0)  # epochs are slow, and drawing takes time from training
        self.name, self._changed = name, changed
        self.entry, _ = EXPERIMENTS.find(name)
        self.state = ExperimentState(self.entry.build)
        self.live = ExperimentRecord()
        self._explore = Explore(self.entry, self.state)
        self._panels = [*(kind(self.entry, self.state) for kind in panels), self._explore]
        self._shipped = load_bundled(name)
        self._eta = Eta()
        # The id of a run that the address names without choices: the page adopts the run's.
        self._adopt_run_config = ""
        self._pending_choice = ""  # the sliders' subject from the address, until there is a result to choose from
        self._drawn: object = None  # the results that are on the page
        super().__init__("kd-experiment", *self._build())
        self._connect()
        self._draw()

    def _build(self) -> list[ipywidgets.Widget]:
        self._panel = RunPanel(
            lambda action: self._loop.post(self._act, action), button_texts=BUTTON_TEXTS, machine=machine_line()
        )
        self._controller = RunController(self._panel, partial(self._loop.post, self._on_message), self._resume_request)
        self._size = Segments("Size", [("quick", "Quick"), ("full", "Full")], "quick", note=SIZES)
        self._settings = Settings(self.state, self.entry.build)
        self._introduction = Facts(content=view.introduction(self.entry))
        self._introduction.add_class("kd-introduction")
        self._result_source = Segments("Result", [("run", "This run"), ("shipped", "As shipped")], "shipped")
        self._findings, self._charts, self._facts = Findings(), Charts(), Facts()
        self._facts.add_class("kd-provenance")
        self._curve, self._jobs = Canvas(), JobList()
        self._work = Group("kd-training", self._curve, self._jobs)
        controls = Group("kd-controls", self._panel, Group("kd-size", self._size), self._settings)
        above = [panel for panel in self._panels if panel.above]
        below = [panel for panel in self._panels if not panel.above and panel is not self._explore]
        results = Group(
            "kd-results", self._introduction, self._work, self._result_source, *above, self._findings, self._charts,
            self._explore, *below, self._facts,
        )  # fmt: skip
        return [Group("kd-columns", controls, results)]

    def _connect(self) -> None:
        state = self.state
        link((state, "shown"), (self._result_source, "value"))
        self._size.observe(lambda change: self._loop.post(self._resize, change["new"]), "value")
        state.observe(lambda _: self._loop.request(), ["shown", "quick", "turned", "choice", *state.settings])
        for panel in self._panels:
            # Each panel has its own loop: it follows a slider without waiting for the run or another panel.
            drawing = Loop(panel.draw, self._fail, rate=30.0)
            state.observe(lambda _, drawing=drawing: drawing.request(), list(panel.follows))
        state.observe(lambda _: self._loop.post(self._clear_error), list(state.settings))
        self._settings.observe(lambda _: self._loop.post(self._clear_error), "invalid")

    # --- user actions -------------------------------------------------------------------------------------------------

    def _resize(self, size: str) -> None:
        if (size == "quick") != self.state.quick:
            self.state.apply(quick=size == "quick")
            self._settings.clear()

    def _act(self, action: str) -> None:
        self._controller.press(action, self._request)

    def _request(self) -> RunRequest:
        self._settings.check()
        experiment = self.state.experiment()
        for panel in self._panels:
            panel.check()
        check_writable(experiments_folder())
        return self._request_of(self.state.quick, asdict(experiment))

    def _request_of(self, quick: bool, settings: dict[str, Any]) -> RunRequest:
        size = "quick" if quick else "full"
        page = next((link.page for link in PAGES if self.name in link.experiments), "index")
        experiment = for_worker(self.name, quick, settings)
        arguments = self.name, experiments_folder(), quick, settings
        return RunRequest(
            self.name, "kdlab.experiments.framework.experiment_job:run_experiment_job",
            arguments, "kdlab.experiments.framework.record:ExperimentRecord", JobValidated,
            f"{self.entry.label} ({size}) on {settings['dataset']}", page,
            experiment.limits_input(quick), {"size": size, "settings": settings},
        )  # fmt: skip

    def _resume_request(self, snapshot: RunSnapshot) -> RunRequest:
        return self._request_of(snapshot.config["size"] == "quick", dict(snapshot.config["settings"]))

    # --- the page's address -------------------------------------------------------------------------------------------

    @property
    def run(self) -> str:
        """The run that is shown, by its id, or ""."""
        return self._controller.snapshot.run if self._controller.snapshot else ""

    @property
    def choices(self) -> dict[str, str]:
        """What of the choices differs from the page's opening, as short texts."""
        state, kind = self.state, self.entry.build
        first = next(iter(self._explore.offered), "")
        return {
            **write_settings(state.chosen(), kind, state.quick), **write_sliders(state.turned, kind.sliders),
            **({CHOICE_KEY: state.choice} if state.choice not in ("", first) else {}),
        }  # fmt: skip

    def set_visitor(self, visitor: str) -> None:
        """Set the visitor's id of the client."""
        self._controller.client.visitor = visitor

    def follow(self, url: UrlState) -> None:
        """Apply the run and the choices of an address; the choices that it leaves out are those of the opening."""
        run, complaints = url.run, list(url.complaints)
        new = run not in ("", self.run)
        self._adopt_run_config = run if new and not url.choices else ""
        if new and (trouble := self._controller.attach(run)):
            complaints.append(trouble)
            self._adopt_run_config = ""
            self._show_opening()
        if not self._adopt_run_config:
            complaints += self._choose(dict(url.choices))
        # Posted after `_clear_error`, which the new choices have just posted.
        self._loop.post(self._show_error, " ".join(complaints))

    def _choose(self, texts: dict[str, str]) -> list[str]:
        sliders, kind = {key: texts.pop(key) for key in list(texts) if key.startswith("move.")}, self.entry.build
        self._pick(texts.pop(CHOICE_KEY, ""))
        quick, settings, complaints = read_settings(texts, kind)
        self._set(quick, settings)
        self.state.turned, unusable = read_sliders(sliders, kind.sliders)
        return complaints + unusable

    def _pick(self, choice: str) -> None:
        """Set the sliders' subject, where it is offered."""
        offered = self._explore.offered
        self._pending_choice = "" if offered else choice
        if offered:
            self.state.choice = choice if choice in offered else offered[0]

    def _set(self, quick: bool, settings: dict[str, Any]) -> None:
        self.state.apply(quick)
        self._settings.clear()
        for name, value in settings.items():
            setattr(self.state, name, value)
        self._size.value = "quick" if quick else "full"

    def _show_opening(self) -> None:
        self.live = ExperimentRecord()
        self._choose({})
        self.state.shown = "shipped"

    # --- messages of the run ------------------------------------------------------------------------------------------

    def _on_message(self, message: RunMessage) -> None:
        if not self._controller.on_message(message):
            return
        match message:
            case EventBatch(events):
                for event in events:
                    self._record(event)
            case RunSnapshot(kind=self.name):
                self._attach(message)
            case RunSnapshot():
                self._controller.leave()
                self._show_opening()
                self._loop.post(self._show_error, OTHER_PAGE)
            case Status("idle"):
                self._show_opening()
            case Status():
                self._eta.reset()
        self._loop.request()

    def _attach(self, snapshot: RunSnapshot) -> None:
        """Show the record of a run so far; its further events are added to it."""
        self.live = snapshot.record
        self.live.settings = snapshot.config["settings"]
        if self._adopt_run_config == snapshot.run:
            self._set(snapshot.config["size"] == "quick", dict(snapshot.config["settings"]))
        self._adopt_run_config = ""
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

    def _draw(self) -> None:
        live, state = self.live, self._panel.state
        # The first steps of all are slow, so that for a while the plan knows better.
        settled = live.planned and live.done > live.planned.seconds / 20
        left = self._eta.seconds_left(live.planned.seconds) if live.planned and settled else None
        self._panel.progress, status = view.progress(live, state, left, self._controller.status_text)
        self._panel.status = self._controller.describe_status(status)
        self._work.hidden = state == "idle"
        (self._work.add_class if live.result else self._work.remove_class)("kd-finished")
        self._jobs.content = view.jobs(live, state)
        self._curve.figure = view.watched(live)
        # "Not run yet" would be wrong while the first run goes on.
        self._findings.hidden = self.result is None and state != "idle"
        self._result_source.hidden = not (live.result and self._shipped)
        if (self.result, live.result, live.preview) != self._drawn:
            self._drawn = self.result, live.result, live.preview
            of_run = self.result is not None and self.result is live.result
            self._findings.content = view.findings(self.result, of_run)
            self._charts.show(view.figures(self.result))
            self._facts.content = view.facts(self.result)
            for panel in self._panels:
                panel.show(self.result, live)
            if self._pending_choice:
                self._pick(self._pending_choice)
        self._changed()
