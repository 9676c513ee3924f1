"""The run of a page: the actions of its buttons, and the state on its panel."""

from collections.abc import Callable

from kdlab.registry import InputError
from kdlab.runs.client import RunClient
from kdlab.runs.protocol import ENDS, USER_FACING_ERRORS, RunMessage, RunRequest, RunSnapshot, RunWarning, Status
from kdlab.widgets.run_panel import RunPanel

__all__ = ["RunController"]

# Kinds of failures whose message is shown alone, because it says all.
USER_FACING = {*USER_FACING_ERRORS, "Trouble", "Kept"}


class RunController:
    """A page's client of runs, and the panel that shows its state; `receive` gets the client's messages, on any thread.

    `snapshot`: the first message of the current run, or None. `resume_request`: returns the request that resumes a run.
    `status_text`: the text of the last status.
    """

    def __init__(
        self,
        panel: RunPanel,
        receive: Callable[[RunMessage], None],
        resume_request: Callable[[RunSnapshot], RunRequest],
    ) -> None:
        self._panel, self._resume_request = panel, resume_request
        self.client = RunClient(receive)
        self.snapshot: RunSnapshot | None = None
        self.status_text = ""

    def press(self, action: str, request: Callable[[], RunRequest]) -> None:
        """Do the action of a button; `request` returns that of Start, and raises InputError where it cannot be run."""
        panel, client = self._panel, self.client
        panel.error = ""
        try:
            if action == "reset":
                client.abandon()
            elif action == "go_on" and self.snapshot:
                client.resume_from_checkpoint(self._resume_request(self.snapshot))
            elif action == "start" or (action == "step" and panel.state not in ("running", "paused")):
                client.start(request(), paused=action == "step")
                if action == "step":
                    client.send_command("step")
            else:
                client.send_command(action)
        except InputError as error:
            panel.error = str(error)

    def attach(self, run: str) -> str:
        """Attach to a run; return an error sentence when there is none of this id, else ""."""
        try:
            self.client.attach(run)
        except InputError as error:
            self.leave()
            return str(error)
        return ""

    def leave(self) -> None:
        """Show no run any more; the run continues."""
        self.client.close()
        self._clear()

    def on_message(self, message: RunMessage) -> bool:
        """Update the panel; return whether the message is of the run that is shown."""
        panel = self._panel
        match message:
            case RunSnapshot():
                self.snapshot, self.status_text = message, ""
                panel.watching, panel.resumable = not message.mine, False
            case Status("idle"):
                self._clear()
            case _ if self.snapshot is None:
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
        self.snapshot, self.status_text = None, ""
        self._panel.state, self._panel.error = "idle", ""
        self._panel.watching = self._panel.resumable = False

    def _is_resumable(self) -> bool:
        if not self.snapshot or not self.snapshot.mine:
            return False
        try:
            return self.client.is_resumable()
        except InputError:
            return False
