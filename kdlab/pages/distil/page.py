"""The page "Distil": choose data and networks, press Start, and turn the knobs while the student learns."""

from functools import partial
from importlib.resources import as_file, files
from typing import Any

import ipywidgets
from traitlets import Bunch, link

from kdlab.figures.theme import ROLES
from kdlab.metrics.classification import telling_example
from kdlab.pages.distil import view
from kdlab.pages.distil.setup import Setup
from kdlab.pages.distil.state import DistilState
from kdlab.pages.eta import Pace
from kdlab.pages.machine_note import machine_line
from kdlab.pages.run_controller import Course, CoursePage
from kdlab.pages.url_state import read_spec, write_spec
from kdlab.progress import singular
from kdlab.registry import OBJECTIVES, InputError
from kdlab.runs.protocol import Attached, Hearing
from kdlab.runs.worker import Happened, Status
from kdlab.train.events import Event, Opened, Phase, Restored, Step
from kdlab.train.history import History
from kdlab.train.spec import Spec
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.connection import Connection
from kdlab.widgets.gallery import Gallery
from kdlab.widgets.loop import Loop
from kdlab.widgets.pickers import EntryPicker
from kdlab.widgets.run_panel import RunPanel
from kdlab.widgets.slider import Slider
from kdlab.widgets.soft_targets import SoftTargets
from kdlab.widgets.summary import Summary
from kdlab.widgets.url import Address, Said

__all__ = ["Distil"]

OPENING_NOTE = "A run that comes with kdlab. Press Start to train it here, and turn the knobs while it runs."
OTHER_PAGE = "The run that the address names is not one of this page's: open it from the list of runs."


class Distil(CoursePage):
    """The dashboard; `state` holds its choices, `history` what is shown."""

    def __init__(self) -> None:
        with as_file(files("kdlab.assets") / "opening" / "history.npz") as path:
            self._opening = History.load(path)
        assert self._opening.opened is not None
        self.history = self._opening
        self.state = DistilState(self._opening.opened.spec)
        self._note = OPENING_NOTE
        self._pace = Pace()
        self._evaluated: object = None  # what the matrices show
        self._turned: dict[str, float] = {}  # knobs moved since the worker was last told
        self._loop = Loop(self._draw, self._fail)
        self._incoming = History()  # what the worker says, shown once its data are open
        self._settled = self.state.dataset  # the data set whose settings are filled in
        self._bare = ""  # a run that an address names without a word about choices, which are then the run's own
        super().__init__(self._build())
        self.add_class("kd-page")
        self._connect()
        self._show_opening()
        self._show_chosen()
        self._draw()

    # --- layout -------------------------------------------------------------------------------------------------------

    def _build(self) -> list[ipywidgets.Widget]:
        state = self.state
        self._panel = RunPanel(lambda action: self._loop.post(self._act, action), machine=machine_line())
        self._setup = Setup(state)
        self._course = Course(self._panel, partial(self._loop.post, self._take), self._setup.file.again)
        self._address = Address(partial(self._loop.post, self._follow))
        self._summary = Summary()
        knobs = [knob for entry in OBJECTIVES.values() for knob in entry.knobs]
        self._sliders = {knob.key: Slider(knob, getattr(state, knob.key)) for knob in knobs}
        self._objective = EntryPicker(OBJECTIVES, "Objective", state.objective)
        self._objective.layout.display = None if len(OBJECTIVES) > 1 else "none"
        self._canvases = {name: Canvas() for name in ("errors", "losses", *ROLES, "difference")}
        self._bars, self._gallery = SoftTargets(), Gallery()
        self._picture = Gallery()

        controls = _box(
            "kd-controls",
            self._panel,
            _box("kd-knobs", self._objective, *self._sliders.values()),
            self._setup,
        )
        matrices = [self._canvases[name] for name in (*ROLES, "difference")]
        results = _box(
            "kd-results",
            self._summary,
            _box("kd-curves", self._canvases["errors"], self._canvases["losses"]),
            _box("kd-matrices", *matrices),
            _box("kd-examples", _box("kd-card", self._picture, self._bars), _box("kd-card", self._gallery)),
        )
        return [_box("kd-columns", controls, results), self._address, Connection()]

    def _connect(self) -> None:
        state = self.state
        for key, control in {"objective": self._objective, **self._sliders}.items():
            link((state, key), (control, "value"))
        link((state, "chosen"), (self._gallery, "chosen"))
        # In the browser as well, so that the bars follow the slider without waiting for the kernel.
        self._temperature = ipywidgets.jslink((self._sliders["temperature"], "value"), (self._bars, "temperature"))
        for name in (*ROLES, "difference"):
            self._canvases[name].observe(
                lambda change, name=name: self._loop.post(self._click, name, change.new), "clicked"
            )
        state.observe(lambda change: self._loop.post(self._turn, change), list(self._sliders))
        state.observe(lambda _: self._loop.post(self._show_chosen), "chosen")
        state.observe(lambda _: self._loop.post(self._offer_knobs), "objective")
        self._offer_knobs()
        # A sentence about a choice goes when a choice changes, not when another example is looked at: a run chooses one
        # as its data are opened, just before it may fail. A new sentence may follow from the data set.
        controls = ["objective", *self._sliders, *self._setup.controls]
        state.observe(lambda _: self._loop.post(self._forgive), controls)
        state.observe(lambda _: self._loop.request(), controls)
        self._setup.file.observe(lambda _: self._loop.post(self._forgive), "digest")
        self._setup.pickers["dataset"].observe(lambda _: self._loop.post(self._suggest), "value")

    def _offer_knobs(self) -> None:
        offered = self.state.knobs()
        for key, slider in self._sliders.items():
            slider.layout.display = None if key in offered else "none"

    # --- what people do -----------------------------------------------------------------------------------------------

    def _act(self, action: str) -> None:
        self._tell_turned()
        self._course.press(action, lambda: self._setup.file.job(self.state.spec()))

    def _follow(self, said: Said) -> None:
        """Take what the address says; what it leaves out is as the page opens."""
        run, complaints = said.run, list(said.complaints)
        new = run not in ("", self._address.run)
        self._bare = run if new and not said.choices else ""
        self._course.session.visitor = self._address.visitor
        if new and (trouble := self._course.attach(run)):
            complaints.append(trouble)
            self._bare = ""
            self._show_opening()
        if not self._bare:
            spec, unusable = read_spec(said.choices, self._opening_spec)
            self._choose(spec)
            complaints += unusable
        # Behind what forgives, which the choices have just asked for.
        self._loop.post(self._complain, " ".join(complaints))

    def _choose(self, spec: Spec) -> None:
        """Set every choice without the suggestions of a data set, and without turning the knobs of a run."""
        self._settled = spec.dataset
        self.state.take(spec)
        self._loop.post(self._turned.clear)

    def _complain(self, sentences: str) -> None:
        self._panel.error = sentences or self._panel.error

    @property
    def _opening_spec(self) -> Spec:
        assert self._opening.opened is not None
        return self._opening.opened.spec

    def _show_opening(self) -> None:
        """Show the run that comes with kdlab, and set its choices."""
        self._note, self._address.run = OPENING_NOTE, ""
        self._incoming = History()
        self._choose(self._opening_spec)
        self._setup.file.want("")
        self._show(self._opening)
        self._show_pictures()

    def _show(self, history: History) -> None:
        """Make `history` the one that is seen."""
        self.history = history
        self.state.cell = None
        assert history.opened is not None
        self.state.chosen = telling_example(history.logits, history.opened.labels)
        self._loop.request()

    def _turn(self, change: Bunch) -> None:
        """Send a knob to the run, if its objective has it: another one may have been chosen for the next run."""
        opened = self._incoming.opened
        if opened is None or change.name in opened.spec.knobs:
            self._turned[change.name] = change.new
            self._loop.request()

    def _forgive(self) -> None:
        self._panel.error = ""

    def _tell_turned(self) -> None:
        """Tell the worker what was turned: at each drawing, as a slider moves far more often than it need hear of."""
        if self._turned:
            self._course.send(dict(self._turned))
            self._turned.clear()

    def _suggest(self) -> None:
        """Fill in what suits a data set that was just chosen, unless its settings came with it."""
        if self.state.dataset in (self._settled, ""):
            return
        self._settled = self.state.dataset
        try:
            kept = {"objective": self.state.objective, "knobs": self.state.knobs(), "seed": self.state.seed}
            suggested = Spec.suggested(self.state.dataset, **kept)
        except InputError as error:
            self._panel.error = str(error)
        else:
            self._panel.error = ""
            self.state.take(suggested)

    def _click(self, matrix: str, clicked: dict[str, Any]) -> None:
        self.state.cell = view.Cell(matrix, clicked["y"], clicked["x"])
        self._show_pictures()

    # --- what the worker says -----------------------------------------------------------------------------------------

    def _take(self, message: Hearing) -> None:
        if not self._course.hear(message):
            return
        match message:
            case Happened(event):
                self._record(event)
            # In the order in which the session said them, so that nothing of an earlier run reaches the new history.
            case Attached(kind="distil"):
                self._attach(message)
            case Attached():
                self._course.leave()
                self._show_opening()
                self._loop.post(self._complain, OTHER_PAGE)
            case Status("idle"):
                self._show_opening()
            case Status(state):
                self._pace.reset()
                if state in ("paused", "stopped", "done", "interrupted") and self.history is self._incoming:
                    self._show_pictures()
        self._loop.request()

    def _attach(self, found: Attached) -> None:
        """Show what happened in a run so far, from now on all that happens in it."""
        if found.run != self._address.run:
            self._setup.file.want(found.about.get("teacher_weights", ""))
        self._incoming, self._note, self._address.run = found.record, "", found.run
        if self._bare == found.run:
            turned = {key: value for turn in found.record.turns for key, value in turn.values.items()}
            spec = Spec(**found.about)
            self._choose(spec.replace(knobs={**spec.knobs, **turned}))
        self._bare = ""
        if found.record.opened:
            self._show(found.record)
            self._show_chosen()
            self._show_pictures()

    def _record(self, event: Event) -> None:
        self._incoming.append(event)
        match event:
            case Opened() | Restored():
                assert self._incoming.opened is not None
                opened = self._incoming.opened
                chosen, before = self.state.chosen, self.history.opened
                self._show(self._incoming)
                same = before and before.spec.dataset == opened.spec.dataset
                if same and chosen < len(opened.labels):
                    self.state.chosen = chosen
                self._show_chosen()  # the same number may be another data set's image
                self._show_pictures()
                if isinstance(event, Restored):
                    self._retake()
            case Phase():
                self._pace.reset()
            case Step():
                self._pace.tick(event.step)

    def _retake(self) -> None:
        """Set the sliders to what the run goes on with: what was turned after its checkpoint is not in it."""
        assert self._incoming.opened is not None
        turned = {key: value for turn in self._incoming.turns for key, value in turn.values.items()}
        for key, value in {**self._incoming.opened.spec.knobs, **turned}.items():
            setattr(self.state, key, float(value))
        self._loop.post(self._turned.clear)

    # --- drawing, on the kernel's loop only ---------------------------------------------------------------------------

    def _draw(self) -> None:
        self._tell_turned()
        history, phase = self.history, self._incoming.phase
        for name, figure in view.curves(history).items():
            self._canvases[name].figure = figure
        evaluated = history, history.evaluations, len(history.notes), history.result is None, self._note
        if evaluated != self._evaluated:  # between two evaluations nothing below moves
            self._evaluated = evaluated
            matrices = view.matrices(history)
            for name in (*ROLES, "difference"):
                self._canvases[name].figure = matrices.get(name, {})
            self._summary.content = view.summary(history, self._note)
            self._bars.example = view.example(history, self.state.chosen)
        left = self._pace.seconds_left(phase.steps) if phase else None
        state, said = self._panel.state, self._course.said
        self._panel.progress, words = view.progress(self._incoming, state, left, said)
        self._panel.status = self._course.told(words)
        chosen = {name: getattr(self.state, name) for name in (*Spec.names(), *Spec.run_knobs())}
        self._address.choices = write_spec(chosen | self.state.knobs(), self._opening_spec)

    def _fail(self, error: Exception) -> None:
        trouble = f"The page could not show this ({type(error).__name__}): the log says why."
        self._panel.error = str(error) if isinstance(error, InputError) else trouble

    def _show_pictures(self) -> None:
        opened = self.history.opened
        assert opened is not None
        found = view.pictures(self.history, self.state.cell)
        unit = singular(opened.example_unit)
        self._gallery.show(found.title, opened.images[found.indices], found.indices, found.captions, unit)

    def _show_chosen(self) -> None:
        opened, chosen = self.history.opened, self.state.chosen
        assert opened is not None
        name, unit = opened.classes[opened.labels[chosen]], singular(opened.example_unit)
        self._picture.show(view.picked(opened, chosen), opened.images[[chosen]], [chosen], [name], unit)
        self._bars.example = view.example(self.history, chosen)


def _box(name: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    box = ipywidgets.Box(children)
    box.add_class(name)
    return box
