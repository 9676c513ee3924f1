"""The page "Distil": choose data and networks, press Start, and turn the knobs while the student learns."""

from functools import partial
from importlib.resources import as_file, files
from typing import Any

import ipywidgets
from traitlets import Bunch, link

from kdlab.figures.theme import ROLES
from kdlab.metrics.classification import telling_example
from kdlab.pages.distil import view
from kdlab.pages.distil.gallery import Gallery
from kdlab.pages.distil.setup import Setup
from kdlab.pages.distil.soft_targets import SoftTargets
from kdlab.pages.distil.state import DistilState
from kdlab.pages.eta import Eta
from kdlab.pages.machine_note import machine_line
from kdlab.pages.run_controller import RunController, RunPage
from kdlab.pages.static_view import WithStaticView
from kdlab.pages.url_state import read_spec, write_spec
from kdlab.progress import singular
from kdlab.registry import LOSSES, InputError
from kdlab.runs.protocol import EventBatch, RunMessage, RunSnapshot, Status
from kdlab.train.events import Event, Opened, Phase, Restored, Step
from kdlab.train.history import History
from kdlab.train.spec import Spec
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.connection import Connection
from kdlab.widgets.element import Group
from kdlab.widgets.loop import Loop
from kdlab.widgets.pickers import EntryPicker
from kdlab.widgets.run_panel import RunPanel
from kdlab.widgets.slider import Slider
from kdlab.widgets.summary import Summary
from kdlab.widgets.url import UrlHash, UrlState

__all__ = ["Distil"]

OPENING_NOTE = "A run that comes with kdlab. Press Start to train it here, and turn the knobs while it runs."
OTHER_PAGE = "The run that the address names is not one of this page's: open it from the list of runs."


class Distil(WithStaticView, RunPage):
    """The dashboard; `state` holds its choices, `history` is the shown run's."""

    static_view = "distil"

    def __init__(self) -> None:
        with as_file(files("kdlab.assets") / "opening" / "history.npz") as path:
            self._opening = History.load(path)
        assert self._opening.opened is not None
        self.history = self._opening
        self.state = DistilState(self._opening.opened.spec)
        self._note = OPENING_NOTE
        self._eta = Eta()
        self._drawn: object = None  # the state that the matrices show
        self._changed_params: dict[str, float] = {}  # knobs moved since the last message to the worker
        self._loop = Loop(self._draw, self._fail)
        # At a limited rate, because a slider moves far more often than messages are useful.
        self._params_loop = Loop(self._send_params, self._fail)
        self._run_history = History()  # the run's, shown once its data are open
        self._dataset_applied = self.state.dataset  # the data set whose settings are filled in
        # The id of a run that the address names without choices: the page adopts the run's.
        self._adopt_run_config = ""
        super().__init__("kd-page", *self._build())
        self._connect()
        self._show_opening()
        self._show_chosen()
        self._draw()

    # --- layout -------------------------------------------------------------------------------------------------------

    def _build(self) -> list[ipywidgets.Widget]:
        state = self.state
        self._panel = RunPanel(lambda action: self._loop.post(self._act, action), machine=machine_line())
        self._setup = Setup(state)
        receive = partial(self._loop.post, self._on_message)
        self._controller = RunController(self._panel, receive, self._setup.file.resume_request)
        self._address = UrlHash(partial(self._loop.post, self._follow))
        self._summary = Summary()
        knobs = [knob for entry in LOSSES.values() for knob in entry.knobs]
        self._sliders = {knob.key: Slider(knob, getattr(state, knob.key)) for knob in knobs}
        self._loss = EntryPicker(LOSSES, "Loss", state.loss)
        self._loss.hidden = len(LOSSES) < 2
        self._canvases = {name: Canvas() for name in ("errors", "losses", *ROLES, "difference")}
        self._bars, self._gallery = SoftTargets(), Gallery()
        self._picture = Gallery()

        knobs_box = Group("kd-knobs", self._loss, *self._sliders.values())
        controls = Group("kd-controls", self._panel, knobs_box, self._setup)
        matrices = [self._canvases[name] for name in (*ROLES, "difference")]
        results = Group(
            "kd-results",
            self._summary,
            Group("kd-curves", self._canvases["errors"], self._canvases["losses"]),
            Group("kd-matrices", *matrices),
            Group("kd-examples", Group("kd-card", self._picture, self._bars), Group("kd-card", self._gallery)),
        )
        return [Group("kd-columns", controls, results), self._address, Connection()]

    def _connect(self) -> None:
        state = self.state
        for key, control in {"loss": self._loss, **self._sliders}.items():
            link((state, key), (control, "value"))
        link((state, "chosen"), (self._gallery, "chosen"))
        # In the browser as well, so that the bars follow the slider without waiting for the kernel.
        self._temperature = ipywidgets.jslink((self._sliders["temperature"], "value"), (self._bars, "temperature"))
        for name in (*ROLES, "difference"):
            self._canvases[name].observe(
                lambda change, name=name: self._loop.post(self._click, name, change.new), "clicked"
            )
        state.observe(lambda change: self._loop.post(self._change_param, change), list(self._sliders))
        state.observe(lambda _: self._loop.post(self._show_chosen), "chosen")
        state.observe(lambda _: self._loop.post(self._offer_knobs), "loss")
        self._offer_knobs()
        # A sentence about a choice goes when a choice changes, not when another example is looked at: a run chooses one
        # as its data are opened, just before it may fail. A new sentence may follow from the data set.
        controls = ["loss", *self._sliders, *self._setup.controls]
        state.observe(lambda _: self._loop.post(self._clear_error), controls)
        state.observe(lambda _: self._loop.request(), controls)
        self._setup.file.observe(lambda _: self._loop.post(self._clear_error), "digest")
        self._setup.pickers["dataset"].observe(lambda _: self._loop.post(self._suggest_settings), "value")

    def _offer_knobs(self) -> None:
        offered = self.state.knobs()
        for key, slider in self._sliders.items():
            slider.hidden = key not in offered

    # --- user actions -------------------------------------------------------------------------------------------------

    def _act(self, action: str) -> None:
        self._send_params()
        self._controller.press(action, lambda: self._setup.file.request(self.state.spec()))

    def _follow(self, url: UrlState) -> None:
        """Apply the run and the choices of the address; the choices that it leaves out are those of the opening."""
        run, complaints = url.run, list(url.complaints)
        new = run not in ("", self._address.run)
        self._adopt_run_config = run if new and not url.choices else ""
        self._controller.client.visitor = self._address.visitor
        if new and (trouble := self._controller.attach(run)):
            complaints.append(trouble)
            self._adopt_run_config = ""
            self._show_opening()
        if not self._adopt_run_config:
            spec, unusable = read_spec(url.choices, self._opening_spec)
            self._choose(spec)
            complaints += unusable
        # Posted after `_clear_error`, which the new choices have just posted.
        self._loop.post(self._show_error, " ".join(complaints))

    def _choose(self, spec: Spec) -> None:
        """Set every choice without the suggestions of a data set, and without turning the knobs of a run."""
        self._dataset_applied = spec.dataset
        self.state.apply(spec)
        self._loop.post(self._changed_params.clear)

    @property
    def _opening_spec(self) -> Spec:
        assert self._opening.opened is not None
        return self._opening.opened.spec

    def _show_opening(self) -> None:
        """Show the run that comes with kdlab, and set its choices."""
        self._note, self._address.run = OPENING_NOTE, ""
        self._run_history = History()
        self._choose(self._opening_spec)
        self._setup.file.want("")
        self._show(self._opening)
        self._show_pictures()

    def _show(self, history: History) -> None:
        """Show `history`."""
        self.history = history
        self.state.cell = None
        assert history.opened is not None
        self.state.chosen = telling_example(history.logits, history.opened.labels)
        self._loop.request()

    def _change_param(self, change: Bunch) -> None:
        """Note a knob for the run, if its loss has it: another one may have been chosen for the next run."""
        opened = self._run_history.opened
        if opened is None or change.name in opened.spec.knobs:
            self._changed_params[change.name] = change.new
            self._params_loop.request()

    def _send_params(self) -> None:
        """Send the changed knobs to the run, where it is this visitor's."""
        changes, self._changed_params = self._changed_params, {}
        if changes and self._controller.snapshot and self._controller.snapshot.mine:
            self._controller.client.send_command("set_params", changes)

    def _suggest_settings(self) -> None:
        """Fill in the settings that suit a data set that was just chosen, unless its settings came with it."""
        if self.state.dataset in (self._dataset_applied, ""):
            return
        self._dataset_applied = self.state.dataset
        try:
            unchanged = {"loss": self.state.loss, "knobs": self.state.knobs(), "seed": self.state.seed}
            suggested = Spec.suggested(self.state.dataset, **unchanged)
        except InputError as error:
            self._panel.error = str(error)
        else:
            self._panel.error = ""
            self.state.apply(suggested)

    def _click(self, matrix: str, clicked: dict[str, Any]) -> None:
        self.state.cell = view.Cell(matrix, clicked["y"], clicked["x"])
        self._show_pictures()

    # --- messages of the run ------------------------------------------------------------------------------------------

    def _on_message(self, message: RunMessage) -> None:
        if not self._controller.on_message(message):
            return
        match message:
            case EventBatch(events):
                for event in events:
                    self._record(event)
            # In the order of the run's messages, so that no event of an earlier run reaches the new history.
            case RunSnapshot(kind="distil"):
                self._attach(message)
            case RunSnapshot():
                self._controller.leave()
                self._show_opening()
                self._loop.post(self._show_error, OTHER_PAGE)
            case Status("idle"):
                self._show_opening()
            case Status(state):
                self._eta.reset()
                if state in ("paused", "stopped", "done", "interrupted") and self.history is self._run_history:
                    self._show_pictures()
        self._loop.request()

    def _attach(self, snapshot: RunSnapshot) -> None:
        """Show the record of a run so far; its further events are added to it."""
        resumes = snapshot.run == self._address.run
        if not resumes:
            self._setup.file.want(snapshot.config.get("teacher_weights", ""))
        self._run_history, self._note, self._address.run = snapshot.record, "", snapshot.run
        if self._adopt_run_config == snapshot.run:
            spec = Spec(**snapshot.config)
            self._choose(spec.replace(knobs=view.current_knobs(spec, snapshot.record)))
        self._adopt_run_config = ""
        if snapshot.record.opened:
            self._show(snapshot.record)
            self._show_chosen()
            self._show_pictures()
            if resumes:  # the run may have reported already from where, before this page subscribed again
                self._restore_params()

    def _record(self, event: Event) -> None:
        self._run_history.append(event)
        match event:
            case Opened() | Restored():
                assert self._run_history.opened is not None
                opened = self._run_history.opened
                chosen, previous = self.state.chosen, self.history.opened
                self._show(self._run_history)
                same_dataset = previous and previous.spec.dataset == opened.spec.dataset
                if same_dataset and chosen < len(opened.labels):
                    self.state.chosen = chosen
                self._show_chosen()  # the same number may be another data set's image
                self._show_pictures()
                if isinstance(event, Restored):
                    self._restore_params()
            case Phase():
                self._eta.reset()
            case Step():
                self._eta.tick(event.step)

    def _restore_params(self) -> None:
        """Set the sliders to the knobs of a resumed run: changes after its checkpoint are lost."""
        assert self._run_history.opened is not None
        for key, value in view.current_knobs(self._run_history.opened.spec, self._run_history).items():
            setattr(self.state, key, float(value))
        self._loop.post(self._changed_params.clear)

    # --- drawing, on the kernel's loop only ---------------------------------------------------------------------------

    def _draw(self) -> None:
        history, phase = self.history, self._run_history.phase
        for name, figure in view.curves(history).items():
            self._canvases[name].figure = figure
        state = self._panel.state
        waiting = self._controller.snapshot is not None and self._run_history.opened is None
        evaluated = (
            history, history.evaluations, len(history.notes), history.result is None, self._note, state, waiting
        )  # fmt: skip
        if evaluated != self._drawn:  # between two evaluations nothing below moves
            self._drawn = evaluated
            matrices = view.matrices(history)
            for name in (*ROLES, "difference"):
                self._canvases[name].figure = matrices.get(name, {})
            content = view.waiting(history, state) if waiting else view.summary(history, self._note, state)
            self._summary.content = content
            self._bars.example = view.example(history, self.state.chosen)
        left = self._eta.seconds_left(phase.steps) if phase else None
        self._panel.progress, status = view.progress(self._run_history, state, left, self._controller.status_text)
        self._panel.status = self._controller.describe_status(status)
        chosen = {name: getattr(self.state, name) for name in (*Spec.names(), *Spec.run_knobs())}
        self._address.choices = write_spec(chosen | self.state.knobs(), self._opening_spec)

    def _show_pictures(self) -> None:
        opened = self.history.opened
        assert opened is not None
        pictures = view.pictures(self.history, self.state.cell)
        images, unit = opened.images[pictures.indices], singular(opened.example_unit)
        self._gallery.show(pictures.title, images, pictures.indices, pictures.captions, unit)

    def _show_chosen(self) -> None:
        opened, chosen = self.history.opened, self.state.chosen
        assert opened is not None
        name, unit = opened.classes[opened.labels[chosen]], singular(opened.example_unit)
        self._picture.show(view.picked(opened, chosen), opened.images[[chosen]], [chosen], [name], unit)
        self._bars.example = view.example(self.history, chosen)
