"""A run of distillation on its page: the choices for the next one, and the history of the one that is shown."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import as_file, files

import ipywidgets

from kdlab.metrics.classification import telling_example
from kdlab.pages.distil import view
from kdlab.pages.distil.knobs import Knobs
from kdlab.pages.distil.results import DistilResults
from kdlab.pages.distil.setup import Setup
from kdlab.pages.distil.state import DistilState
from kdlab.pages.run_view import RunView
from kdlab.registry import InputError
from kdlab.runs.protocol import RunRequest, RunSnapshot
from kdlab.train.events import Event, Opened, Phase, Restored, Step
from kdlab.train.history import History
from kdlab.train.spec import Spec
from kdlab.widgets.element import Group

__all__ = ["DistilView"]

OPENING_NOTE = "A run that comes with kdlab. Press Start to train it here, and turn the knobs while it runs."


@cache
def _load_opening() -> History:
    with as_file(files("kdlab.assets") / "opening" / "history.npz") as path:
        return History.load(path)


class DistilView(RunView):
    """The view; `state` holds its choices, `history` is the shown run's."""

    css_class = "kd-columns"

    def __init__(self, changed: Callable[[], None]) -> None:
        self._opening = _load_opening()
        assert self._opening.opened is not None
        self.history = self._opening
        self._before: History | None = None  # the run that was shown before this one
        self._run_history = History()  # the run's, shown once its data are open
        self._shown_run = ""  # its id
        self.state = DistilState(self._opening.opened.spec)
        super().__init__("distil", changed)

    def _build(self) -> list[ipywidgets.Widget]:
        state, loop = self.state, self._loop
        self.knobs = Knobs(state, loop, self._send_params, self._is_of_run, self._fail)
        self.setup = Setup(state)
        self.results = DistilResults(state, self.knobs.sliders["temperature"], loop)
        # A sentence about a choice goes when a choice changes, not when another example is looked at: a run chooses one
        # as its data are opened, just before it may fail. A new sentence may follow from the data set.
        controls = ["loss", *self.knobs.sliders, *self.setup.names]
        state.observe(lambda _: loop.post(self._clear_error), controls)
        state.observe(lambda _: loop.request(), controls)
        self.setup.file.observe(lambda _: loop.post(self._clear_error), "digest")
        self.setup.form.observe(lambda _: loop.post(self._clear_error), "invalid")
        state.observe(lambda _: loop.post(self._suggest_settings), "dataset")
        return [Group("kd-controls", self._panel, self.knobs, self.setup), self.results]

    # --- choices ------------------------------------------------------------------------------------------------------

    def _act(self, action: str) -> None:
        self.knobs.flush()
        super()._act(action)

    def _request(self) -> RunRequest:
        return self.setup.request()

    def _resume_request(self, snapshot: RunSnapshot) -> RunRequest:
        return self.setup.file.resume_request(snapshot)

    @property
    def choices(self) -> dict[str, str]:
        """The choices that differ from the page's opening, as short texts."""
        return self.state.texts()

    def _choose(self, texts: dict[str, str], source: str) -> list[str]:
        unusable = self.state.read(texts, afresh=source == "edit")
        self._forget_typing()
        return unusable

    def _apply(self, spec: Spec) -> None:
        """Set every choice, without turning the knobs of a run."""
        self.state.apply(spec)
        self._forget_typing()

    def _forget_typing(self) -> None:
        self.setup.form.clear()
        self.knobs.forget()

    def _is_of_run(self, knob: str) -> bool:
        opened = self._run_history.opened
        return opened is None or knob in opened.spec.knobs

    def _send_params(self, changes: Mapping[str, float]) -> None:
        """Send changed knobs to the run, where it is this visitor's."""
        if self._controller.snapshot and self._controller.snapshot.mine:
            self._controller.client.send_command("set_params", changes)

    def _suggest_settings(self) -> None:
        try:
            if self.state.suggest():
                self._clear_error()
                self.setup.form.clear()
        except InputError as error:
            self._show_error(str(error))

    # --- the run ------------------------------------------------------------------------------------------------------

    def _show_opening(self) -> None:
        """Show the run that comes with kdlab, and set its choices."""
        self._run_history, self._shown_run, self._before = History(), "", None
        self._apply(self.state.opening)
        self.setup.file.want("")
        self._show(self._opening)

    def _show(self, history: History) -> None:
        assert history.opened is not None
        self.history = self.results.history = history
        self.state.cell = None
        self.state.chosen = telling_example(history.logits, history.opened.labels)
        self.results.show_chosen()  # the same number may be another data set's image
        self.results.show_pictures()

    def _attach(self, snapshot: RunSnapshot, adopt: bool) -> None:
        """Show the record of a run so far; its further events are added to it."""
        resumes = snapshot.run == self._shown_run
        if not resumes:
            self.setup.file.want(snapshot.config.get("teacher_weights", ""))
            self._before = None if snapshot.record.opened else self.history
        self._run_history, self._shown_run = snapshot.record, snapshot.run
        if adopt:
            spec = Spec(**snapshot.config)
            self._apply(spec.replace(knobs=view.current_knobs(spec, snapshot.record)))
        if snapshot.record.opened:
            self._show(snapshot.record)
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
                if isinstance(event, Restored):
                    self._restore_params()
            case Phase():
                self._eta.reset()
            case Step():
                self._eta.tick(event.step)

    def _restore_params(self) -> None:
        """Set the sliders to the knobs of a resumed run: changes after its checkpoint are lost."""
        assert self._run_history.opened is not None
        self.knobs.set(view.current_knobs(self._run_history.opened.spec, self._run_history))

    def _rest(self) -> None:
        if self.history is self._run_history:
            self.results.show_pictures()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _progress(self) -> tuple[float, str]:
        phase = self._run_history.phase
        left = self._eta.seconds_left(phase.steps) if phase else None
        return view.progress(self._run_history, self._panel.state, left, self._controller.status_text)

    def _draw(self) -> None:
        waiting = self._controller.snapshot is not None and self._run_history.opened is None
        note = OPENING_NOTE if self.history is self._opening else ""
        self.results.draw(self.history, self._before, self._panel.state, waiting, note)
