"""One experiment on the page: its result, a run of it, and what the sliders make of the answers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import ipywidgets
from traitlets import link

from kdlab.experiments.framework.bundled import Result, shipped
from kdlab.experiments.framework.events import Advanced, Concluded, Event, Planned, Watched
from kdlab.experiments.framework.record import Live
from kdlab.experiments.framework.report_files import check_writable
from kdlab.pages.catalogue import PAGES
from kdlab.pages.eta import Pace
from kdlab.pages.experiments import view
from kdlab.pages.experiments.charts import Charts
from kdlab.pages.experiments.explore import Explore
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.settings import Settings, for_worker
from kdlab.pages.experiments.state import ExperimentState
from kdlab.pages.experiments.widgets import Facts, Findings, Pieces, Segments
from kdlab.pages.machine_note import machine_line
from kdlab.pages.run_controller import Course, CoursePage
from kdlab.pages.url_state import read_settings, read_sliders, write_settings, write_sliders
from kdlab.paths import experiments_folder
from kdlab.registry import EXPERIMENTS, InputError
from kdlab.runs import session
from kdlab.runs.protocol import Attached, Hearing, Job
from kdlab.runs.worker import Happened, Status
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.loop import Loop
from kdlab.widgets.run_panel import RunPanel
from kdlab.widgets.url import Said

__all__ = ["OneExperiment"]

WORDS = {
    "start": ["▶ Start", "Train the networks of this experiment here; pieces that are kept from before are only read"],
    "pause": ["❚❚ Pause", "Hold the run"],
    "step": ["+1 Epoch", "Train one epoch more and hold"],
    "stop": ["■ Stop", "End the run; the pieces that are finished are kept"],
    "reset": ["↺ Reset", "Back to the result and the settings this page opened with"],
}
SIZES = "Quick shows in minutes how it goes; Full is what results as shipped come from, and may take hours."
OTHER_PAGE = "The run that the address names is not of this experiment: open it from the list of runs."
OF = "of"  # the address's word for what the sliders are about


class OneExperiment(CoursePage):
    """The experiment called `name`; `state` holds its choices, `live` what its run did. Raises UnknownNameError.

    `panels`: classes of what is to be shown beside findings, charts and sliders. `changed` is called when `choices` or
    `run`, which the page's address tells, may be others.
    """

    def __init__(
        self, name: str, panels: Sequence[type[Panel]] = (), changed: Callable[[], None] = lambda: None
    ) -> None:
        self._loop = Loop(self._draw, self._fail, rate=4.0)  # epochs are slow, and drawing takes time from training
        self.name, self._changed = name, changed
        self.entry, _ = EXPERIMENTS.find(name)
        self.state = ExperimentState(self.entry.build)
        self.live = Live()
        self._explore = Explore(self.entry, self.state)
        self._panels = [*(kind(self.entry, self.state) for kind in panels), self._explore]
        self._shipped = shipped(name)
        self._pace = Pace()
        self._bare = ""  # a run that an address names without a word about choices, which are then the run's own
        self._choice = ""  # what the address says that the sliders are about, until there is a result to choose from
        self._seen: object = None  # whose result is on the page
        super().__init__(self._build())
        self.add_class("kd-experiment")
        self._connect()
        self._draw()

    def _build(self) -> list[ipywidgets.Widget]:
        self._panel = RunPanel(lambda action: self._loop.post(self._act, action), words=WORDS, machine=machine_line())
        self._course = Course(self._panel, partial(self._loop.post, self._take), self._again)
        self._size = Segments("Size", [("quick", "Quick"), ("full", "Full")], "quick")
        self._settings = Settings(self.state, self.entry.build)
        meaning = ipywidgets.Label(SIZES)
        meaning.add_class("kd-meaning")
        size = ipywidgets.VBox([self._size, meaning])
        size.add_class("kd-field")
        self._about = Facts(content=view.about(self.entry))
        self._about.add_class("kd-about")
        self._whose = Segments("Result", [("run", "This run"), ("shipped", "As shipped")], "shipped")
        self._findings, self._charts, self._facts = Findings(), Charts(), Facts()
        self._facts.add_class("kd-provenance")
        self._curve, self._pieces = Canvas(), Pieces()
        self._work = _box("kd-live", self._curve, self._pieces)
        controls = _box("kd-controls", self._panel, _box("kd-size", size), self._settings)
        above = [one for one in self._panels if one.above]
        below = [one for one in self._panels if not one.above and one is not self._explore]
        results = _box(
            "kd-results", self._about, self._work, self._whose, *above, self._findings, self._charts, self._explore,
            *below, self._facts,
        )  # fmt: skip
        return [_box("kd-columns", controls, results)]

    def _connect(self) -> None:
        state = self.state
        link((state, "shown"), (self._whose, "value"))
        self._size.observe(lambda change: self._loop.post(self._resize, change["new"]), "value")
        state.observe(lambda _: self._loop.request(), ["shown", "quick", "turned", "choice", *state.settings])
        for panel in self._panels:
            # Loops of their own: what follows a slider does not wait for what a run, or another panel, has to say.
            drawing = Loop(panel.draw, self._fail, rate=30.0)
            state.observe(lambda _, drawing=drawing: drawing.request(), list(panel.follows))
        state.observe(lambda _: self._loop.post(self._forgive), list(state.settings))

    # --- what people do -----------------------------------------------------------------------------------------------

    def _resize(self, size: str) -> None:
        if (size == "quick") != self.state.quick:
            self.state.take(quick=size == "quick")

    def _forgive(self) -> None:
        self._panel.error = ""

    def _act(self, action: str) -> None:
        self._course.press(action, self._job)

    def _job(self) -> Job:
        experiment = self.state.experiment()
        for panel in self._panels:
            panel.check()
        check_writable(experiments_folder())
        return self._job_of(self.state.quick, asdict(experiment))

    def _job_of(self, quick: bool, settings: dict[str, Any]) -> Job:
        size = "quick" if quick else "full"
        page = next((link.page for link in PAGES if self.name in link.experiments), "index")
        experiment = for_worker(self.name, quick, settings)
        asks = {
            "experiment": self.name, "size": size, "datasets": experiment.datasets, "epochs": experiment.most_epochs,
        }  # fmt: skip
        most = session.the_desk().limits().parameters or math.inf
        arguments = self.name, experiments_folder(), quick, settings, most
        return Job(
            self.name, "kdlab.experiments.framework.run:reproduce_events",
            arguments, "kdlab.experiments.framework.record:Live", Watched,
            f"{self.entry.label} ({size}) on {settings['dataset']}", page, asks, {"size": size, "settings": settings},
        )  # fmt: skip

    def _again(self, found: Attached) -> Job:
        return self._job_of(found.about["size"] == "quick", dict(found.about["settings"]))

    # --- the page's address -------------------------------------------------------------------------------------------

    @property
    def run(self) -> str:
        """The run that is shown, by its id, or ""."""
        return self._course.found.run if self._course.found else ""

    @property
    def choices(self) -> dict[str, str]:
        """What of the choices differs from the page's opening, as short texts."""
        state, kind = self.state, self.entry.build
        first = next(iter(self._explore.choices.options), "")
        return {
            **write_settings(state.chosen(), kind, state.quick), **write_sliders(state.turned, kind.sliders),
            **({OF: state.choice} if state.choice not in ("", first) else {}),
        }  # fmt: skip

    def visit(self, visitor: str) -> None:
        """Say who is looking."""
        self._course.session.visitor = visitor

    def follow(self, said: Said) -> None:
        """Take what an address says; what it leaves out is as the page opens."""
        run, complaints = said.run, list(said.complaints)
        new = run not in ("", self.run)
        self._bare = run if new and not said.choices else ""
        if new and (trouble := self._course.attach(run)):
            complaints.append(trouble)
            self._bare = ""
            self._show_opening()
        if not self._bare:
            complaints += self._choose(dict(said.choices))
        # Behind what forgives, which the choices have just asked for.
        self._loop.post(self._complain, " ".join(complaints))

    def _choose(self, texts: dict[str, str]) -> list[str]:
        sliders, kind = {key: texts.pop(key) for key in list(texts) if key.startswith("move.")}, self.entry.build
        self._pick(texts.pop(OF, ""))
        quick, settings, complaints = read_settings(texts, kind)
        self._set(quick, settings)
        self.state.turned, unusable = read_sliders(sliders, kind.sliders)
        return complaints + unusable

    def _pick(self, choice: str) -> None:
        """Take what the sliders are to be about, where that is offered."""
        menu = self._explore.choices
        self._choice = "" if menu.options else choice
        if menu.options:
            menu.value = choice if choice in menu.options else menu.options[0]

    def _set(self, quick: bool, settings: dict[str, Any]) -> None:
        self.state.take(quick)
        for name, value in settings.items():
            setattr(self.state, name, value)
        self._size.value = "quick" if quick else "full"

    def _complain(self, sentences: str) -> None:
        self._panel.error = sentences or self._panel.error

    def _show_opening(self) -> None:
        self.live = Live()
        self._choose({})
        self.state.shown = "shipped"

    # --- what the worker says -----------------------------------------------------------------------------------------

    def _take(self, message: Hearing) -> None:
        if not self._course.hear(message):
            return
        match message:
            case Happened(event):
                self._record(event)
            case Attached(kind=self.name):
                self._attach(message)
            case Attached():
                self._course.leave()
                self._show_opening()
                self._loop.post(self._complain, OTHER_PAGE)
            case Status("idle"):
                self._show_opening()
            case Status():
                self._pace.reset()
        self._loop.request()

    def _attach(self, found: Attached) -> None:
        """Show what happened in a run so far, from now on all that happens in it."""
        self.live = found.record
        self.live.settings = found.about["settings"]
        if self._bare == found.run:
            self._set(found.about["size"] == "quick", dict(found.about["settings"]))
        self._bare = ""
        self.state.shown = "run" if self.live.result else "shipped"

    def _record(self, event: Event) -> None:
        before = self.live.done
        self.live.append(event)
        match event:
            case Planned():
                self._pace.reset()
            case Advanced(seconds) if seconds > before:
                self._pace.tick(seconds)
            case Concluded():
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
        left = self._pace.seconds_left(live.planned.seconds) if live.planned and settled else None
        self._panel.progress, words = view.progress(live, state, left, self._course.said)
        self._panel.status = self._course.told(words)
        self._work.layout.display = "none" if state == "idle" else None
        (self._work.add_class if live.result else self._work.remove_class)("kd-over")
        self._pieces.content = view.pieces(live, state)
        self._curve.figure = view.watched(live)
        # "Not run yet" would be wrong while the first run goes on.
        self._findings.layout.display = "none" if self.result is None and state != "idle" else None
        self._whose.layout.display = None if live.result and self._shipped else "none"
        if (self.result, live.result, live.noted) != self._seen:
            self._seen = self.result, live.result, live.noted
            own = self.result is not None and self.result is live.result
            self._findings.content = view.findings(self.result, own)
            self._charts.show(view.figures(self.result))
            self._facts.content = view.facts(self.result)
            for panel in self._panels:
                panel.show(self.result, live)
            if self._choice:
                self._pick(self._choice)
        self._changed()

    def _fail(self, error: Exception) -> None:
        trouble = f"The page could not show this ({type(error).__name__}): the log says why."
        self._panel.error = str(error) if isinstance(error, InputError) else trouble


def _box(name: str, *children: Any) -> ipywidgets.Box:
    box = ipywidgets.Box(children)
    box.add_class(name)
    return box
