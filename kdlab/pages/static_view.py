"""What stands for a page that no kernel draws: a picture of it and a sentence, which the drawn page hides."""

import base64
import os
from dataclasses import dataclass
from html import escape
from importlib.metadata import metadata
from importlib.resources import files
from typing import ClassVar

from IPython.display import display

__all__ = ["WithStaticView", "show_static"]

PICTURE_SIZE = 960, 600  # pixels


@dataclass(frozen=True, slots=True)
class StaticView:
    """The name of a page, the command that opens it, and a description of what its picture shows."""

    title: str
    command: str
    description: str


STATIC_VIEWS = {
    "distil": StaticView(
        "Distil",
        "kdlab app distil",
        "Buttons of a run, sliders of its loss, the errors of teacher, baseline and student, and their curves",
    ),
    "experiments": StaticView(
        "of experiments",
        "kdlab app index",
        "An experiment of the paper: its question, a table of what was measured, and the claims that hold",
    ),
    "index": StaticView("Experiments", "kdlab app index", "A card for each page, with the question that it answers"),
    "runs": StaticView("Your runs", "kdlab app runs", "Runs with their errors, and two of them side by side"),
    "specialists": StaticView(
        "Specialists",
        "kdlab app specialists",
        "The experiment with small experts for the classes that a network confuses",
    ),
    "temperature": StaticView(
        "Temperature lab",
        "kdlab app temperature",
        "A slider of the temperature, the softened predictions of one digit, and those of all examples",
    ),
}


def show_static(page: str) -> None:
    """Show the picture of a page, a key of `STATIC_VIEWS`, and a sentence on how it becomes alive.

    Nothing is shown in Voilà, where a page without a kernel is not opened.
    """
    if "VOILA_PREHEAT" in os.environ:
        return
    view = STATIC_VIEWS[page]
    picture = base64.b64encode((files("kdlab.assets") / "pictures" / f"{page}.webp").read_bytes()).decode()
    address = _project_address()
    sentence = f"A picture of kdlab's page {view.title}: no kernel draws it here. To make it live, run this cell, or"
    width, height = PICTURE_SIZE
    html = (
        f'<div class="kd-static">\n<p>{sentence} open the page with <code>{view.command}</code>: '
        f'<a href="{escape(address)}">{escape(address)}</a></p>\n'
        f'<img src="data:image/webp;base64,{picture}" alt="{escape(view.description)}" '
        f'width="{width}" height="{height}" style="max-width: 100%; height: auto">\n</div>'
    )
    text = f"{sentence} open the page with `{view.command}`: {address}"
    display({"text/html": html, "text/plain": text}, raw=True)


def _project_address() -> str:
    addresses = dict(entry.split(", ", 1) for entry in metadata("kdlab").get_all("Project-URL", []))
    return addresses["Source"]


class WithStaticView:
    """A page that shows its static view before its widget; `static_view` is a key of `STATIC_VIEWS`."""

    static_view: ClassVar[str]

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        if not bundle:
            return  # the page is closed
        show_static(self.static_view)
        # anywidget adds metadata to the data.
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display(data, metadata=metadata, raw=True)
