"""The run of a page: the actions of its buttons, and the state on its panel."""

from collections.abc import Callable

import ipywidgets

from kdlab.registry import InputError
from kdlab.runs.active_run import USER_FACING_ERRORS
from kdlab.runs.client import RunClient
from kdlab.runs.protocol import RunMessage, RunRequest, RunSnapshot, RunWarning
from kdlab.runs.worker import ENDS, Status
from kdlab.widgets.run_panel import RunPanel

__all__ = ["RunController", "RunPage", "box"]

# Kinds of failures whose message is shown alone, because it says all.
USER_FACING = {*USER_FACING_ERRORS, "Trouble", "Kept"}


class RunController:
    """A session, and the panel that shows its state; `receive` gets the session's messages, on any thread.

    `attached`: the first message of the current run, or None. `resume_job`: returns the job that resumes a run.
    `status_text`: the text of the last status.
    """

    def __init__(
        self, panel: RunPanel, receive: Callable[[RunMessage], None], resume_job: Callable[[RunSnapshot], RunRequest]
    ) -> None:
        self._panel, self._resume_job = panel, resume_job
        self.session = RunClient(receive)
        self.attached: RunSnapshot | None = None
        self.status_text = ""

    def press(self, action: str, job: Callable[[], RunRequest]) -> None:
        """Do the action of a button; `job` returns the job of Start, and raises InputError where it cannot be run."""
        panel, session = self._panel, self.session
        panel.error = ""
        try:
            if action == "reset":
                session.abandon()
            elif action == "go_on" and self.attached:
                session.go_on(self._resume_job(self.attached))
            elif action == "start" or (action == "step" and panel.state not in ("running", "paused")):
                session.start(job(), paused=action == "step")
                if action == "step":
                    session.step()
            else:
                getattr(session, action)()
        except InputError as error:
            panel.error = str(error)

    def attach(self, run: str) -> str:
        """Attach to a run; return an error sentence when there is none of this id, else ""."""
        try:
            self.session.attach(run)
        except InputError as error:
            self.leave()
            return str(error)
        return ""

    def leave(self) -> None:
        """Show no run any more; the run continues."""
        self.session.close()
        self._clear()

    def send(self, values: dict[str, float]) -> None:
        """Send values into the run, where it is this visitor's."""
        if self.attached and self.attached.mine:
            self.session.send(values)

    def on_message(self, message: RunMessage) -> bool:
        """Update the panel; return whether the message is of the run that is shown."""
        panel = self._panel
        match message:
            case RunSnapshot():
                self.attached, self.status_text = message, ""
                panel.watching, panel.resumable = not message.mine, False
            case Status("idle"):
                self._clear()
            case _ if self.attached is None:
                return False  # a late message of a run that was left
            case RunWarning(text):
                panel.error = text
            case Status(state, kind, text):
                panel.state, self.status_text = state, text
                if state == "failed":
                    panel.error = text if kind in USER_FACING else f"The worker failed ({kind}: {text}); see its log."
                panel.resumable = state in ENDS and state != "done" and self._is_resumable()
        return True

    def describe_status(self, text: str) -> str:
        """Return a status line that says so where it is another person's run."""
        return f"Another person's run, to look at. {text}" if self._panel.watching else text

    def _clear(self) -> None:
        self.attached, self.status_text = None, ""
        self._panel.state, self._panel.error = "idle", ""
        self._panel.watching = self._panel.resumable = False

    def _is_resumable(self) -> bool:
        if not self.attached or not self.attached.mine:
            return False
        try:
            return self.session.resumable()
        except InputError:
            return False


class RunPage(ipywidgets.VBox):
    """A page that shows a run; closed, it leaves the run, which continues. A page whose making failed is closed too."""

    _controller: RunController | None = None
    _panel: RunPanel

    def close(self) -> None:
        """Leave the run and close the widget."""
        if self._controller is not None:
            self._controller.session.close()
        super().close()

    def _show_error(self, sentences: str) -> None:
        self._panel.error = sentences or self._panel.error

    def _clear_error(self) -> None:
        self._panel.error = ""

    def _fail(self, error: Exception) -> None:
        trouble = f"The page could not show this ({type(error).__name__}): the log says why."
        self._panel.error = str(error) if isinstance(error, InputError) else trouble


def box(name: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    """Return a box of the CSS class `name`."""
    widget = ipywidgets.Box(children)
    widget.add_class(name)
    return widget
