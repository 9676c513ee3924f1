"""The page "Your runs": what was started here and how it came out; to compare, open, save and delete."""

from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets

from kdlab.figures.overlay import Overlaid, overlaid_errors
from kdlab.pages.runs import view
from kdlab.pages.runs.compare import compared
from kdlab.pages.runs.state import RunsState
from kdlab.pages.runs.widgets import Answer, Compared, RunList
from kdlab.registry import InputError
from kdlab.runs.run_info import Row
from kdlab.runs.session import the_desk
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.connection import Connection
from kdlab.widgets.loop import Loop
from kdlab.widgets.url import Address, Said

if TYPE_CHECKING:
    from kdlab.runs.server import Desk

__all__ = ["Runs"]

PIECE = 1 << 20  # bytes of a file that the browser gets at once


class Runs(ipywidgets.VBox):
    """The dashboard; `state` holds what is chosen. `desk`: where the runs are, in place of the usual one."""

    def __init__(self, desk: "Desk | None" = None) -> None:
        self._given = desk
        self.state = RunsState()
        self._loop = Loop(self._draw, self._fail)
        self._curves: dict[tuple[str, str], Overlaid | None] = {}
        self._archive: tuple[str, bytes] = "", b""  # the run that is being saved, and its file
        self._asked: list[str] = []  # to compare, as the address says, until it is known which runs there are
        self._address = Address(partial(self._loop.post, self._follow))
        self._list = RunList(partial(self._loop.post, self._answer))
        self._compared, self._canvas = Compared(), Canvas()
        super().__init__([self._list, self._compared, self._canvas, self._address, Connection()])
        self.add_class("kd-page")
        self.add_class("kd-runs-page")
        self._list.observe(lambda change: self._loop.post(self._choose, change.new), "chosen")
        self._draw()

    @property
    def _desk(self) -> Any:
        return self._given or the_desk()

    # --- what people do -----------------------------------------------------------------------------------------------

    def _follow(self, said: Said) -> None:
        """Look which runs there are, now that it is known who is looking, and choose what the address says."""
        self._asked = said.choices.get("compare", "").split(",")
        self._look()

    def _look(self) -> None:
        try:
            self.state.take(self._desk.rows(self._address.visitor))
        except InputError as error:
            self.state.trouble = str(error)
        else:
            self.state.trouble = ""
            if self._asked:
                self.state.chosen, self._asked = self._asked, []
        self._loop.request()

    def _choose(self, chosen: list[str]) -> None:
        self.state.chosen = chosen
        self._loop.request()

    def _answer(self, question: dict[str, Any], reply: Answer) -> None:
        """Do what the list asks for; what cannot be done is said in a sentence."""
        try:
            match question:
                case {"type": "look"}:
                    self._look()
                    reply({})
                case {"type": "delete", "run": str(run)}:
                    self._desk.delete(run, self._address.visitor)
                    self._look()
                    reply({})
                case {"type": "save", "run": str(run)}:
                    reply(self._pack(run))
                case {"type": "piece", "run": str(run), "at": int(at)} if run and run == self._archive[0] and at >= 0:
                    reply({}, [memoryview(self._archive[1])[at : at + PIECE]])
                    if at + PIECE >= len(self._archive[1]):
                        self._archive = "", b""
                case _:
                    raise InputError("This cannot be done any more: reload the page.")
        except InputError as error:
            reply({"error": str(error)})

    def _pack(self, run: str) -> dict[str, Any]:
        row = self._row(run)
        kept = {part: self._desk.files(run, part) for part in ("result", "checkpoint")}
        if not any(kept.values()):
            raise InputError("Nothing of this run is kept yet: it has not come far enough.")
        self._archive = run, view.archive(row, {part: files for part, files in kept.items() if files})
        return {"name": f"kdlab-{run}.zip", "size": len(self._archive[1])}

    def _row(self, run: str) -> Row:
        for row in self.state.rows:
            if row.run == run:
                return row
        raise InputError("This run is not here any more: reload the page.")

    # --- drawing, on the kernel's loop only ---------------------------------------------------------------------------

    def _draw(self) -> None:
        state = self.state
        self._list.chosen = state.chosen
        if state.known:
            self._address.choices = {"compare": ",".join(state.chosen)} if state.chosen else {}
        rows = state.compared()
        self._compared.content = compared(rows)
        drawn = {}
        if len(rows) > 1:
            drawn = {number: one for number, row in enumerate(rows, 1) if (one := self._curves_of(row))}
        self._canvas.figure = overlaid_errors(drawn)
        self._canvas.layout.display = None if drawn else "none"
        self._list.content = view.listed(state.rows, state.known, state.trouble, state.chosen)

    def _curves_of(self, row: Row) -> Overlaid | None:
        key = row.run, f"{row.state} {row.seconds}"
        if key not in self._curves:
            kept = {known: one for known, one in self._curves.items() if known[0] in self.state.chosen}
            # A run whose desk was killed has no result, or one from when it was stopped before it went on.
            parts = ("result", "checkpoint") if row.state == "interrupted" else ("result",)
            try:
                found = [view.curves(row, self._desk.files(row.run, part)) for part in parts]
                kept[key] = max(filter(None, found), key=lambda one: one.points, default=None)
            except InputError as error:
                kept[key], self.state.trouble = None, str(error)
            self._curves = kept
        return self._curves[key]

    def _fail(self, error: Exception) -> None:
        self._list.content = {
            **self._list.content, "trouble": f"The page could not show this ({type(error).__name__}): the log says why."
        }  # fmt: skip
