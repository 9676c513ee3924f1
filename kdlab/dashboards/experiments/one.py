"""One experiment on the page: its result, a run of it, and what the sliders make of the answers."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import ipywidgets
from traitlets import link

from kdlab.core.experiments.events import Advanced, Concluded, Event, Planned, Watched
from kdlab.core.experiments.results import check_writable, standard_folder
from kdlab.dashboards.experiments import view
from kdlab.dashboards.experiments.charts import Charts
from kdlab.dashboards.experiments.explore import Explore
from kdlab.dashboards.experiments.live import Live
from kdlab.dashboards.experiments.panel import Panel
from kdlab.dashboards.experiments.settings import Settings
from kdlab.dashboards.experiments.shipped import Result, shipped
from kdlab.dashboards.experiments.state import ExperimentState
from kdlab.dashboards.pace import Pace
from kdlab.registry import EXPERIMENTS, InputError
from kdlab.runner import Happened, Message, Runner, Status
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.experiments import Facts, Findings, Pieces, Segments
from kdlab.widgets.loop import Loop
from kdlab.widgets.run_panel import RunPanel

__all__ = ["OneExperiment"]

WORDS = {
    "start": ["▶ Start", "Train the networks of this experiment here; pieces that are kept from before are only read"],
    "pause": ["❚❚ Pause", "Hold the run"],
    "step": ["+1 Epoch", "Train one epoch more and hold"],
    "stop": ["■ Stop", "End the run; the pieces that are finished are kept"],
    "reset": ["↺ Reset", "Back to the result and the settings this page opened with"],
}
SIZES = "Quick shows in minutes how it goes; Full is what results as shipped come from, and may take hours."
TROUBLE = {"InputError", "UnknownNameError", "Diverged", "WorkerDied"}  # their message says all there is to say


class OneExperiment(ipywidgets.VBox):
    """The experiment called `name`; `state` holds its choices, `live` what its run did. Raises UnknownNameError.

    `panels`: classes of what is to be shown beside findings, charts and sliders.
    """

    def __init__(self, name: str, panels: Sequence[type[Panel]] = ()) -> None:
        self._loop = Loop(self._draw, self._fail, rate=4.0)  # epochs are slow, and drawing takes time from training
        hear = partial(self._loop.post, self._take)
        self._runner = Runner("kdlab.core.experiments.conduct:reproduce_events", hear, unit=Watched)
        self.name = name
        self.entry, _ = EXPERIMENTS.find(name)
        self.state = ExperimentState(self.entry.build)
        self.live = Live()
        self._explore = Explore(self.entry, self.state)
        self._panels = [*(kind(self.entry, self.state) for kind in panels), self._explore]
        self._shipped = shipped(name)
        self._pace = Pace()
        self._asked: dict[str, Any] = {}  # the settings that the run was started with
        self._seen: object = None  # whose result is on the page
        super().__init__(self._build())
        self.add_class("kd-experiment")
        self._connect()
        self._draw()

    def _build(self) -> list[ipywidgets.Widget]:
        self._panel = RunPanel(lambda action: self._loop.post(self._act, action), words=WORDS)
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
        state.observe(lambda _: self._loop.request(), "shown")
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
        if action == "reset":
            self._runner.abandon()
        elif action == "start" or (action == "step" and self._panel.state not in ("running", "paused")):
            self._start(paused=action == "step")
        else:
            getattr(self._runner, action)()

    def _start(self, paused: bool) -> None:
        try:
            experiment = self.state.experiment()
            for panel in self._panels:
                panel.check()
            check_writable(standard_folder())
        except InputError as error:
            self._panel.error = str(error)
            return
        self._asked = asdict(experiment)
        self._runner.start(self.name, standard_folder(), self.state.quick, self._asked, paused=paused)
        if paused:
            self._runner.step()

    def _show_opening(self) -> None:
        self.live = Live()
        self._panel.state, self._panel.error = "idle", ""
        self._size.value = "quick"
        self.state.take(quick=True)
        self.state.shown = "shipped"

    # --- what the worker says -----------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        match message:
            case Happened(event):
                self._record(event)
            case Status("idle"):
                self._show_opening()
            case Status("starting"):
                self.live = Live(self._asked)
                self.state.shown = "shipped"
                self._panel.state, self._panel.error = "starting", ""
            case Status("failed", kind, text):
                self._panel.state = "failed"
                self._panel.error = text if kind in TROUBLE else f"The worker failed ({kind}: {text}); see its log."
            case Status(state):
                self._panel.state = state
                self._pace.reset()
        self._loop.request()

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
        self._panel.progress, self._panel.status = view.progress(live, state, left)
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

    def _fail(self, error: Exception) -> None:
        self._panel.error = f"The page could not show this ({type(error).__name__}: {error})."

    def close(self) -> None:
        """End the worker, then close the widget."""
        self._runner.close()
        super().close()


def _box(name: str, *children: Any) -> ipywidgets.Box:
    box = ipywidgets.Box(children)
    box.add_class(name)
    return box
