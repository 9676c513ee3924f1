"""The page "Your runs": the visitor's runs, to compare, open, save and delete."""

from functools import partial
from typing import TYPE_CHECKING, Any

from kdlab.figures.overlay import Overlaid, overlaid_errors
from kdlab.pages.catalogue import RUNS
from kdlab.pages.page import Page
from kdlab.pages.runs import view
from kdlab.pages.runs.compare import compared
from kdlab.pages.runs.state import RunsState
from kdlab.pages.runs.widgets import Compared, Reply, RunList
from kdlab.registry import InputError
from kdlab.runs.client import the_server
from kdlab.runs.run_info import RunInfo
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.header import UrlState
from kdlab.widgets.loop import Loop

if TYPE_CHECKING:
    from kdlab.runs.server import RunServer

__all__ = ["Runs"]

CHUNK_BYTES = 1 << 20  # bytes of a file in one answer to the browser


class Runs(Page):
    """The dashboard; `state` holds its choices. `server`: the runs' server, in place of the default."""

    def __init__(self, server: "RunServer | None" = None) -> None:
        self._server_override = server
        self.state = RunsState()
        self._loop = Loop(self._draw, self._fail)
        self._curves: dict[tuple[str, str], Overlaid | None] = {}
        self._archive: tuple[str, bytes] = "", b""  # the run that is being saved, and its file
        self._pending_choice: list[str] = []  # ids from the address, until the runs are loaded
        self._list = RunList(partial(self._loop.post, self._on_request))
        self._compared, self._canvas = Compared(), Canvas()
        super().__init__(RUNS, self._loop)
        self.children = [self.header, self._list, self._compared, self._canvas]
        self.add_class("kd-runs-page")
        self._list.observe(lambda change: self._loop.post(self._choose, change.new), "chosen")
        self._draw()

    def close(self) -> None:
        """Close the widgets, and let the run's files go."""
        self._archive, self._curves = ("", b""), {}
        super().close()

    @property
    def _server(self) -> Any:
        return self._server_override or the_server()

    # --- user actions -------------------------------------------------------------------------------------------------

    def _follow(self, url: UrlState) -> None:
        """Load the visitor's runs, now that the visitor is known, and choose those of the address."""
        self._pending_choice = url.choices.get("compare", "").split(",")
        self._refresh()

    def _refresh(self) -> None:
        try:
            self.state.set_rows(self._server.runs(self.header.visitor))
        except InputError as error:
            self.state.trouble = str(error)
        else:
            self.state.trouble = ""
            if self._pending_choice:
                self.state.chosen, self._pending_choice = self._pending_choice, []
        self._loop.request()

    def _choose(self, chosen: list[str]) -> None:
        self.state.chosen = chosen
        self._loop.request()

    def _on_request(self, question: dict[str, Any], reply: Reply) -> None:
        """Answer a request of the list; an error is answered with a sentence."""
        try:
            match question:
                case {"type": "look"}:
                    self._refresh()
                    reply({})
                case {"type": "delete", "run": str(run)}:
                    self._server.delete(run, self.header.visitor)
                    self._refresh()
                    reply({})
                case {"type": "save", "run": str(run)}:
                    reply(self._pack(run))
                case {"type": "piece", "run": str(run), "at": int(start)} if (
                    run and run == self._archive[0] and start >= 0
                ):
                    reply({}, [memoryview(self._archive[1])[start : start + CHUNK_BYTES]])
                    if start + CHUNK_BYTES >= len(self._archive[1]):
                        self._archive = "", b""
                case _:
                    raise InputError("This cannot be done any more: reload the page.")
        except InputError as error:
            reply({"error": str(error)})

    def _pack(self, run: str) -> dict[str, Any]:
        row = self._row(run)
        parts = {part: self._server.files(run, part) for part in ("result", "checkpoint")}
        if not any(parts.values()):
            raise InputError("Nothing of this run is kept yet: it has not come far enough.")
        self._archive = run, view.archive(row, {part: files for part, files in parts.items() if files})
        return {"name": f"kdlab-{run}.zip", "size": len(self._archive[1])}

    def _row(self, run: str) -> RunInfo:
        for row in self.state.rows:
            if row.run == run:
                return row
        raise InputError("This run is not here any more: reload the page.")

    # --- drawing, on the kernel's loop only ---------------------------------------------------------------------------

    def _draw(self) -> None:
        state = self.state
        self._list.chosen = state.chosen
        if state.loaded:
            self.header.choices = {"compare": ",".join(state.chosen)} if state.chosen else {}
        rows = state.compared()
        self._compared.content = compared(rows)
        drawn = {}
        if len(rows) > 1:
            drawn = {number: curves for number, row in enumerate(rows, 1) if (curves := self._curves_of(row))}
        self._canvas.figure = overlaid_errors(drawn)
        self._canvas.hidden = not drawn
        self._list.content = view.listed(state.rows, state.loaded, state.trouble, state.chosen)

    def _curves_of(self, row: RunInfo) -> Overlaid | None:
        key = row.run, f"{row.state} {row.seconds}"
        if key not in self._curves:
            cache = {run: curves for run, curves in self._curves.items() if run[0] in self.state.chosen}
            # A run whose server was killed has no result, or one from a stop before it was resumed.
            parts = ("result", "checkpoint") if row.state == "interrupted" else ("result",)
            try:
                candidates = [view.curves(row, self._server.files(row.run, part)) for part in parts]
                cache[key] = max(filter(None, candidates), key=lambda curves: curves.points, default=None)
            except InputError as error:
                cache[key], self.state.trouble = None, str(error)
            self._curves = cache
        return self._curves[key]

    def _fail(self, error: Exception) -> None:
        self._list.content = {
            **self._list.content, "trouble": f"The page could not show this ({type(error).__name__}): the log says why."
        }  # fmt: skip
