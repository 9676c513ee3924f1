"""The run that a page shows: what its buttons do, and what its panel says of it."""

from collections.abc import Callable

import ipywidgets

from kdlab.registry import InputError
from kdlab.runs.active_run import PLAIN
from kdlab.runs.protocol import Attached, Hearing, Job, Notice
from kdlab.runs.session import Session
from kdlab.runs.worker import ENDS, Status
from kdlab.widgets.run_panel import RunPanel

__all__ = ["Course", "CoursePage"]

# Failures whose message says all there is to say.
TROUBLE = {*PLAIN, "Trouble", "Kept"}


class Course:
    """A session, and the panel that is kept in step with it; `receive` gets what is heard, on whatever thread.

    `found`: the run, once it was found or begun. `again`: makes the job of a run that is to be gone on with.
    """

    def __init__(self, panel: RunPanel, receive: Callable[[Hearing], None], again: Callable[[Attached], Job]) -> None:
        self._panel, self._again = panel, again
        self.session = Session(receive)
        self.found: Attached | None = None
        self.said = ""  # what the last status says beyond its name

    def press(self, action: str, job: Callable[[], Job]) -> None:
        """Do what a button says; `job` makes what Start runs, and raises InputError where that cannot be run."""
        panel, session = self._panel, self.session
        panel.error = ""
        try:
            if action == "reset":
                session.abandon()
            elif action == "go_on" and self.found:
                session.go_on(self._again(self.found))
            elif action == "start" or (action == "step" and panel.state not in ("running", "paused")):
                session.start(job(), paused=action == "step")
                if action == "step":
                    session.step()
            else:
                getattr(session, action)()
        except InputError as error:
            panel.error = str(error)

    def attach(self, run: str) -> str:
        """Find a run again; return a sentence when there is none of this id, else ""."""
        try:
            self.session.attach(run)
        except InputError as error:
            self.leave()
            return str(error)
        return ""

    def leave(self) -> None:
        """Show no run any more; it goes on."""
        self.session.close()
        self._forget()

    def send(self, values: dict[str, float]) -> None:
        """Send values into the run, where it is this visitor's."""
        if self.found and self.found.mine:
            self.session.send(values)

    def hear(self, message: Hearing) -> bool:
        """Keep the panel in step with what is heard; return whether it is of the run that is shown."""
        panel = self._panel
        match message:
            case Attached():
                self.found, self.said = message, ""
                panel.watching, panel.resumable = not message.mine, False
            case Status("idle"):
                self._forget()
            case _ if self.found is None:
                return False  # what a run that was left still had to say
            case Notice(text):
                panel.error = text
            case Status(state, kind, text):
                panel.state, self.said = state, text
                if state == "failed":
                    panel.error = text if kind in TROUBLE else f"The worker failed ({kind}: {text}); see its log."
                panel.resumable = state in ENDS and state != "done" and self._is_resumable()
        return True

    def told(self, words: str) -> str:
        """Return a status line with what there is to say about whose run it is."""
        return f"Another person's run, to look at. {words}" if self._panel.watching else words

    def _forget(self) -> None:
        self.found, self.said = None, ""
        self._panel.state, self._panel.error = "idle", ""
        self._panel.watching = self._panel.resumable = False

    def _is_resumable(self) -> bool:
        if not self.found or not self.found.mine:
            return False
        try:
            return self.session.resumable()
        except InputError:
            return False


class CoursePage(ipywidgets.VBox):
    """A page that shows a run; closed, it leaves the run, which goes on. One that could not be made is closed too."""

    _course: Course | None = None

    def close(self) -> None:
        """Leave the run and close the widget."""
        if self._course is not None:
            self._course.session.close()
        super().close()
