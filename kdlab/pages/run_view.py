"""The view of a run: its panel, its messages, and what the address says of it."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import ipywidgets

from kdlab.pages.eta import Eta
from kdlab.pages.machine_note import machine_line
from kdlab.pages.run_controller import RunController
from kdlab.registry import InputError
from kdlab.runs.protocol import EventBatch, RunMessage, RunRequest, RunSnapshot, Status
from kdlab.widgets.element import Group
from kdlab.widgets.header import UrlState
from kdlab.widgets.loop import Loop
from kdlab.widgets.run_panel import RunPanel

__all__ = ["RunView"]

OTHER_PAGE = "The run that the address names is not of this page: open it from the list of runs."


class RunView(Group):
    """Shows a run of the kind `kind`, from Start to its result; derive one, and give it what its methods ask for.

    Closed, it leaves the run, which continues. `changed` is called when `choices` or `run`, which the address holds,
    may have changed. `rate`: drawings a second at most.
    """

    kind: str
    css_class: ClassVar[str]
    rate: ClassVar[float] = 12.0
    button_texts: ClassVar[Mapping[str, list[str]]] = {}
    _controller: RunController | None = None

    def __init__(self, kind: str, changed: Any) -> None:
        self.kind, self._changed = kind, changed
        self._loop = Loop(self._draw_all, self._fail, self.rate)
        self._eta = Eta()
        self._adopt_run_config = ""  # the id of a run that the address names without choices: the page adopts the run's
        self._panel = RunPanel(
            lambda action: self._loop.post(self._act, action), button_texts=self.button_texts, machine=machine_line()
        )
        self._controller = RunController(self._panel, partial(self._loop.post, self._on_message), self._resume_request)
        super().__init__(self.css_class)
        self.children = self._build()
        self._show_opening()
        self._draw_all()

    # --- what a page gives it -----------------------------------------------------------------------------------------

    def _build(self) -> list[ipywidgets.Widget]:
        """Return the widgets, and connect them."""
        raise NotImplementedError

    def _request(self) -> RunRequest:
        """Return the request of Start; raises InputError where the choices cannot be run."""
        raise NotImplementedError

    def _resume_request(self, snapshot: RunSnapshot) -> RunRequest:
        """Return the request that resumes a run."""
        raise NotImplementedError

    def _show_opening(self) -> None:
        """Show the page as it opens, without a run."""
        raise NotImplementedError

    def _attach(self, snapshot: RunSnapshot, adopt: bool) -> None:
        """Show the record of a run so far, to which its further events are added; adopt its settings too, or not."""
        raise NotImplementedError

    def _record(self, event: Any) -> None:
        """Add an event of the run."""
        raise NotImplementedError

    def _progress(self) -> tuple[float, str]:
        """Return the share of the run that is done, -1 where it is unknown, and the status line."""
        raise NotImplementedError

    def _draw(self) -> None:
        """Draw all else."""
        raise NotImplementedError

    def _choose(self, texts: dict[str, str], source: str) -> list[str]:
        """Apply the choices of an address, and return a sentence for each that cannot be used."""
        raise NotImplementedError

    @property
    def choices(self) -> dict[str, str]:
        """The choices that differ from the page's opening, as short texts."""
        raise NotImplementedError

    def _rest(self) -> None:
        """Draw what is drawn only while the run does not move."""

    # --- user actions and the address ---------------------------------------------------------------------------------

    def _act(self, action: str) -> None:
        if self.comm is None:
            return  # the page was closed meanwhile
        self._controller.press(action, self._request)
        self._loop.request()

    @property
    def run(self) -> str:
        """The run that is shown, by its id, or ""."""
        return self._controller.snapshot.run if self._controller.snapshot else ""

    def set_visitor(self, visitor: str) -> None:
        """Set the visitor's id of the client."""
        self._controller.client.visitor = visitor

    def follow(self, url: UrlState) -> None:
        """Apply the run and the choices of an address.

        The choices that a changed address leaves out are those of the opening; one with which the page opens leaves
        them as code has set them. Of the browser's memory the run alone counts.
        """
        complaints, remembered = list(url.complaints), url.source == "memory"
        shown = self.run
        new = url.run not in ("", shown)
        chosen = bool(self.choices if remembered else url.choices)
        self._adopt_run_config = url.run if new and not chosen else ""
        if new and (trouble := self._controller.attach(url.run)):
            self._adopt_run_config = ""
            if shown:  # else the page stays as it is, with what code has set
                self._show_opening()
            complaints += [] if remembered else [trouble]
        if not self._adopt_run_config and not remembered:
            complaints += self._choose(dict(url.choices), url.source)
        # Posted after `_clear_error`, which the new choices have just posted.
        self._loop.post(self._show_error, " ".join(complaints))

    # --- messages of the run ------------------------------------------------------------------------------------------

    def _on_message(self, message: RunMessage) -> None:
        if not self._controller.on_message(message):
            return
        match message:
            case EventBatch(events):
                for event in events:
                    self._record(event)
            # In the order of the run's messages, so that no event of an earlier run reaches the new record.
            case RunSnapshot(run=run, kind=self.kind):
                adopt, self._adopt_run_config = run == self._adopt_run_config, ""
                self._attach(message, adopt)
                self._changed()  # at once: the page may be reloaded right after a run has started
            case RunSnapshot():
                self._controller.leave()
                self._show_opening()
                self._changed()
                self._loop.post(self._show_error, OTHER_PAGE)
            case Status("idle"):
                self._show_opening()
                self._changed()
            case Status(state):
                self._eta.reset()
                if state not in ("queued", "starting", "running"):
                    self._rest()
        self._loop.request()

    # --- drawing, on the kernel's loop only ---------------------------------------------------------------------------

    def _draw_all(self) -> None:
        self._panel.progress, status = self._progress()
        self._panel.status = self._controller.describe_status(status)
        self._draw()
        self._changed()

    def _show_error(self, sentences: str) -> None:
        self._panel.error = sentences or self._panel.error

    def _clear_error(self, _: Any = None) -> None:
        self._panel.error = ""

    def _fail(self, error: Exception) -> None:
        trouble = f"The page could not show this ({type(error).__name__}): the log says why."
        self._panel.error = str(error) if isinstance(error, InputError) else trouble

    def close(self) -> None:
        """Leave the run and close the widgets."""
        if self._controller is not None:  # a view whose making failed is closed too
            self._controller.client.close()
        super().close()
