"""The panel that shows the confused classes, and in which the classes of each specialist are edited."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.state import ExperimentState
from kdlab.pages.specialists.widgets import Confused
from kdlab.registry import Entry, InputError
from kdlab.specialists.subsets import check_subsets, read_subsets, write_subsets

__all__ = ["ConfusedClasses"]

READ = (
    "The stronger a cell's colour, the more alike the generalist finds two classes; "
    "the tree joins the most alike first."
)
BY_HAND = "The subsets of that run were chosen by hand."


class ConfusedClasses(Panel):
    """The classes of a result, or of a run as soon as it noted them; it edits the state's `subsets`."""

    follows = ("subsets", "dataset")
    above = True
    css_class = "kd-subsets"

    def __init__(self, entry: Entry, state: ExperimentState) -> None:
        super().__init__(entry, state)
        self.editor = Confused()
        self.children = [self.editor]
        self._classes: list[str] = []
        self._dataset = self._origin = ""
        self._text: str | None = None  # the text of the editor's subsets
        self._edited = self._reading = False  # whether that text came from the editor; whether it is coming to it
        self.editor.observe(self._write, "subsets")

    def show(self, result: Result | None, live: ExperimentRecord) -> None:
        """Show the classes of another result; of a run that has none yet, those that it noted."""
        arrays: Mapping[str, Any] = {}
        settings: Mapping[str, Any] = {}
        if live.preview and live.result is None:
            arrays, settings = live.preview.arrays, live.settings
        elif result:
            arrays, settings = result.arrays, result.report["settings"]
        classes = [str(name) for name in arrays.get("classes", ())] if "similarity" in arrays else []
        if classes != self._classes:
            self._text = None
        self._classes, self._dataset = classes, settings.get("dataset", "")
        if classes:
            whose = "as shipped" if result and arrays is result.arrays and result is not live.result else "this run"
            by_hand = f" {BY_HAND}" if settings.get("subsets") else ""
            self._origin = f"Classes of {self._dataset}, {whose}. {READ}{by_hand}"
            detected = [np.flatnonzero(row).tolist() for row in arrays["members"]]
            self.editor.show(classes, arrays["similarity"], arrays["order"], arrays["tree"], detected)
        else:
            self._origin = ""
            self.editor.clear()
        self.draw()

    def draw(self) -> None:
        """Show the subsets of the state, and the error in them."""
        text = self._state.subsets
        if text != self._text:
            self._text, self._edited = text, False
            self._reading = True
            self.editor.subsets = _readable_subsets(text, self._classes)
            self._reading = False
        complaint = ""
        try:
            self.check()
        except InputError as error:
            complaint = str(error)
        self.editor.texts = {"origin": self._origin, "stale": self._stale_notice(), "error": complaint}

    def check(self) -> None:
        """Raise InputError when the subsets cannot be used with the shown classes."""
        text = self._state.subsets
        if self._dataset != self._state.dataset:
            return  # the run will know the classes
        if self._edited and text == self._text:
            check_subsets(self.editor.subsets, self._classes)  # as text, one specialist without a class is nothing
        elif text.strip():
            read_subsets(text, self._classes)

    def _stale_notice(self) -> str:
        chosen = self._state.dataset
        if not self._classes or chosen == self._dataset:
            return ""
        notice = (
            f"The chosen data set is {chosen}: Start trains a generalist on it first, and its matrix will appear here."
        )
        if self.editor.subsets is None:
            return notice
        return (
            f"{notice} The subsets are of {self._dataset}'s classes: choose that data set for them, or press As found."
        )

    def _write(self, change: Mapping[str, Any]) -> None:
        if not self._reading:
            subsets = change["new"]
            self._edited = subsets is not None
            self._text = write_subsets(subsets, self._classes) if subsets else ""
            self._state.subsets = self._text
            self.draw()


def _readable_subsets(text: str, classes: Sequence[str]) -> list[list[int]] | None:
    """Return the readable subsets of a text, or None where there are none; `check` complains of the others."""
    with suppress(InputError):
        return [sorted(subset) for subset in read_subsets(text, classes)]
    parts = [{name.strip() for name in part.split(",")} for part in text.split(";")]
    subsets = [[index for index, name in enumerate(classes) if name in part] for part in parts]
    return subsets if any(subsets) else None
