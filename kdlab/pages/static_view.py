"""What stands for a page that no kernel draws: a picture of it and a sentence, which the drawn page hides."""

import base64
import os
from html import escape
from importlib.metadata import metadata
from importlib.resources import files

from IPython.display import display

from kdlab.pages.catalogue import PageLink

__all__ = ["WithStaticView", "show_static"]

PICTURE_SIZE = 960, 600  # pixels


def show_static(link: PageLink) -> None:
    """Show the picture of a page, and a sentence on how it becomes alive.

    Nothing is shown in Voilà, where a page without a kernel is not opened.
    """
    if "VOILA_PREHEAT" in os.environ:
        return
    picture = base64.b64encode((files("kdlab.assets") / "pictures" / f"{link.notebook}.webp").read_bytes()).decode()
    command = f"kdlab app {next(iter(link.experiments), link.notebook)}"
    address = _project_address()
    sentence = f"A picture of kdlab's page “{link.title}”: no kernel draws it here. To make it live, run this cell, or"
    width, height = PICTURE_SIZE
    html = (
        f'<div class="kd-static">\n<p>{escape(sentence)} open the page with <code>{command}</code>: '
        f'<a href="{escape(address)}">{escape(address)}</a></p>\n'
        f'<img src="data:image/webp;base64,{picture}" alt="{escape(link.lead)}" '
        f'width="{width}" height="{height}" style="max-width: 100%; height: auto">\n</div>'
    )
    text = f"{sentence} open the page with `{command}`: {address}"
    display({"text/html": html, "text/plain": text}, raw=True)


def _project_address() -> str:
    addresses = dict(entry.split(", ", 1) for entry in metadata("kdlab").get_all("Project-URL", []))
    return addresses["Source"]


class WithStaticView:
    """A page that shows its static view before its widget; `link`: its entry in the catalogue."""

    link: PageLink

    def _ipython_display_(self) -> None:
        if self._repr_mimebundle_ is None:
            return  # the page is closed
        bundle = self._repr_mimebundle_()
        show_static(self.link)
        # anywidget adds metadata to the data.
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display(data, metadata=metadata, raw=True)
