"""The page "Distil": choose data and networks, press Start, and turn the knobs while the student learns."""

from functools import partial
from importlib.resources import as_file, files
from typing import Any

import ipywidgets
from traitlets import Bunch, link

from kdlab.core.events import Event, Opened, Phase, Step
from kdlab.core.history import History
from kdlab.core.metrics import telling_example
from kdlab.core.spec import Spec
from kdlab.dashboards.distil import view
from kdlab.dashboards.distil.state import DistilState
from kdlab.dashboards.pace import Pace
from kdlab.figures.theme import ROLES
from kdlab.registry import AUGMENTATIONS, DATASETS, MODELS, OBJECTIVES, TEACHINGS, InputError
from kdlab.runner import Happened, Message, Runner, Status
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.gallery import Gallery
from kdlab.widgets.loop import Loop
from kdlab.widgets.pickers import EntryPicker, NamePicker, number_field
from kdlab.widgets.run_panel import RunPanel
from kdlab.widgets.slider import Slider
from kdlab.widgets.soft_targets import SoftTargets
from kdlab.widgets.summary import Summary

__all__ = ["Distil"]

OPENING_NOTE = "A run that comes with kdlab. Press Start to train it here, and turn the knobs while it runs."
TROUBLE = {
    "InputError",
    "UnknownNameError",
    "Diverged",
    "WorkerDied",
}  # failures whose message says all there is to say


class Distil(ipywidgets.VBox):
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
        hear = partial(self._loop.post, self._take)
        self._runner = Runner("kdlab.core.distillation:distill_events", hear, unit=Step)
        super().__init__(self._build())
        self.add_class("kd-page")
        self._connect()
        self._show_opening()
        self._show_chosen()
        self._draw()

    # --- layout -------------------------------------------------------------------------------------------------------

    def _build(self) -> list[ipywidgets.Widget]:
        state = self.state
        self._panel = RunPanel(lambda action: self._loop.post(self._act, action))
        self._summary = Summary()
        knobs = [knob for entry in OBJECTIVES.values() for knob in entry.knobs]
        self._sliders = {knob.key: Slider(knob, getattr(state, knob.key)) for knob in knobs}
        self._objective = EntryPicker(OBJECTIVES, "Objective", state.objective)
        self._objective.layout.display = None if len(OBJECTIVES) > 1 else "none"
        self._pickers = {
            "dataset": NamePicker(DATASETS, "Data set", state.dataset, "folder:/path/to/images"),
            "teacher": NamePicker(MODELS, "Teacher", state.teacher, "mlp:400x3:dropout=0.5, cnn:width=64 …"),
            "student": NamePicker(MODELS, "Student", state.student, "mlp:100x1, cnn:width=8 …"),
            "augmentation": NamePicker(AUGMENTATIONS, "Augmentation", state.augmentation, "shift:pixels=1 …"),
        }
        self._teaching = EntryPicker(TEACHINGS, "Teaching", state.teaching)
        self._numbers = {key: number_field(knob, getattr(state, key)) for key, knob in Spec.run_knobs().items()}
        self._canvases = {name: Canvas() for name in ("errors", "losses", *ROLES, "difference")}
        self._bars, self._gallery = SoftTargets(), Gallery()
        self._picture = Gallery()

        controls = _box(
            "kd-controls",
            self._panel,
            _box("kd-knobs", self._objective, *self._sliders.values()),
            _box("kd-setup", *self._pickers.values(), self._teaching, _box("kd-numbers", *self._numbers.values())),
        )
        matrices = [self._canvases[name] for name in (*ROLES, "difference")]
        results = _box(
            "kd-results",
            self._summary,
            _box("kd-curves", self._canvases["errors"], self._canvases["losses"]),
            _box("kd-matrices", *matrices),
            _box("kd-examples", _box("kd-card", self._picture, self._bars), _box("kd-card", self._gallery)),
        )
        return [_box("kd-columns", controls, results)]

    def _connect(self) -> None:
        state = self.state
        controls = {
            "objective": self._objective, "teaching": self._teaching,
            **self._sliders, **self._numbers, **self._pickers,
        }  # fmt: skip
        for key, control in controls.items():
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
        state.observe(lambda _: self._loop.post(self._offer_teaching), "augmentation")
        self._offer_teaching()
        # A sentence about a choice goes when a choice changes, not when another example is looked at: a run chooses one
        # as its data are opened, just before it may fail. A new sentence may follow from the data set.
        state.observe(lambda _: self._loop.post(self._forgive), list(controls))
        self._pickers["dataset"].observe(lambda _: self._loop.post(self._suggest), "value")

    def _offer_knobs(self) -> None:
        offered = self.state.knobs()
        for key, slider in self._sliders.items():
            slider.layout.display = None if key in offered else "none"

    def _offer_teaching(self) -> None:
        # Of an image as it is there is one view only, and all ways of teaching are one.
        self._teaching.layout.display = "none" if self.state.augmentation == "none" else None

    # --- what people do -----------------------------------------------------------------------------------------------

    def _act(self, action: str) -> None:
        self._tell_turned()
        if action == "reset":
            self._runner.abandon()
        elif action == "start" or (action == "step" and self._panel.state not in ("running", "paused")):
            self._start(paused=action == "step")
        else:
            getattr(self._runner, action)()

    def _show_opening(self) -> None:
        """Show the run that comes with kdlab, and set its choices."""
        assert self._opening.opened is not None
        self._panel.state, self._panel.error, self._note = "idle", "", OPENING_NOTE
        self._incoming = History()
        self._settled = self._opening.opened.spec.dataset
        self.state.take(self._opening.opened.spec)
        self._show(self._opening)
        self._show_pictures()

    def _show(self, history: History) -> None:
        """Make `history` the one that is seen."""
        self.history = history
        self.state.cell = None
        assert history.opened is not None
        self.state.chosen = telling_example(history.logits, history.opened.test_labels)
        self._loop.request()

    def _start(self, paused: bool) -> None:
        try:
            spec = self.state.spec()
        except InputError as error:
            self._panel.error = str(error)
            return
        self._runner.start(spec, paused=paused)
        if paused:
            self._runner.step()

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
            self._runner.send(self._turned)
            self._turned = {}

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

    def _take(self, message: Message) -> None:
        match message:
            case Happened(event):
                self._record(event)
            # In the order in which the runner said them, so that nothing of an earlier run reaches the new history.
            case Status("idle"):
                self._show_opening()
            case Status("starting"):
                self._incoming = History()
                self._panel.state, self._panel.error, self._note = "starting", "", ""
            case Status("failed", kind, text):
                self._panel.state = "failed"
                self._panel.error = text if kind in TROUBLE else f"The worker failed ({kind}: {text}); see its log."
            case Status(state):
                self._panel.state = state
                self._pace.reset()
                if state in ("paused", "stopped", "done") and self.history is self._incoming:
                    self._show_pictures()
        self._loop.request()

    def _record(self, event: Event) -> None:
        self._incoming.append(event)
        match event:
            case Opened():
                chosen, before = self.state.chosen, self.history.opened
                self._show(self._incoming)
                same = before and before.spec.dataset == event.spec.dataset
                if same and chosen < len(event.test_labels):
                    self.state.chosen = chosen
                self._show_chosen()  # the same number may be another data set's image
                self._show_pictures()
            case Phase():
                self._pace.reset()
            case Step():
                self._pace.tick(event.step)

    # --- drawing, on the kernel's loop only ---------------------------------------------------------------------------

    def _draw(self) -> None:
        self._tell_turned()
        history, phase = self.history, self._incoming.phase
        for name, figure in view.curves(history).items():
            self._canvases[name].figure = figure
        evaluated = history, history.evaluations, history.result is None, self._note
        if evaluated != self._evaluated:  # between two evaluations nothing below moves
            self._evaluated = evaluated
            matrices = view.matrices(history)
            for name in (*ROLES, "difference"):
                self._canvases[name].figure = matrices.get(name, {})
            self._summary.content = view.summary(history, self._note)
            self._bars.example = view.example(history, self.state.chosen)
        left = self._pace.seconds_left(phase.steps) if phase else None
        self._panel.progress, self._panel.status = view.progress(self._incoming, self._panel.state, left)

    def _fail(self, error: Exception) -> None:
        self._panel.error = f"The page could not show this ({type(error).__name__}: {error})."

    def close(self) -> None:
        """End the worker, then close the widget."""
        self._runner.close()
        super().close()

    def _show_pictures(self) -> None:
        opened = self.history.opened
        assert opened is not None
        found = view.pictures(self.history, self.state.cell)
        self._gallery.show(found.title, opened.test_images[found.indices], found.indices, found.captions)

    def _show_chosen(self) -> None:
        opened, chosen = self.history.opened, self.state.chosen
        assert opened is not None
        name = opened.classes[opened.test_labels[chosen]]
        self._picture.show(f"Test image {chosen}, true class {name}", opened.test_images[[chosen]], [chosen], [name])
        self._bars.example = view.example(self.history, chosen)


def _box(name: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    box = ipywidgets.Box(children)
    box.add_class(name)
    return box
