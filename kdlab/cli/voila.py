"""Voilà in this process, for a folder of notebooks."""

import json
import logging
import re
import threading
import webbrowser
from pathlib import Path
from typing import Any

import click
from tornado.web import HTTPError, RedirectHandler
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import AllowListFileHandler
from voila.tornado.contentshandler import VoilaContentsHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler

from kdlab.cli.jupyter import ASSETS, ThisPython, use_assets

__all__ = ["serve"]

# What lists a folder, or hands out any file of it.
FILES = (AllowListFileHandler, TornadoVoilaTreeHandler, VoilaContentsHandler)


class _Shutdown(VoilaShutdownKernelHandler):
    """Ends a kernel when its page closes: a closing page can send no XSRF token, but it knows the kernel's id."""

    def check_xsrf_cookie(self) -> None:
        if not self.check_origin():
            raise HTTPError(403)


class _Server(Voila):
    """Voilà for a folder's pages; it says where one of them is, and opens the browser there, once it listens."""

    def __init__(self, page: Path, browser: bool, **traits: object) -> None:
        super().__init__(root_dir=str(page.parent), open_browser=True, **traits)
        self._folder, self._path, self._browser = page.parent, f"voila/render/{page.name}", browser

    def init_handlers(self) -> list[tuple[Any, ...]]:
        """Return Voilà's handlers for the pages, none for other files, and one that a page that closes can reach."""
        pages = "|".join(re.escape(page.name) for page in self._folder.glob("*.ipynb"))
        ours = {VoilaShutdownKernelHandler: _Shutdown}
        start = ("/", RedirectHandler, {"url": self._path, "permanent": False})
        voilas = [
            (path.replace("/render/(.*)", f"/render/({pages})"), ours.get(handler, handler), *rest)
            for path, handler, *rest in super().init_handlers()
            if handler not in FILES
        ]
        return [start, *voilas]

    def launch_browser(self) -> None:
        address = self.connection_url + self._path
        click.echo(f"kdlab is at {address} (Ctrl-C ends it)")
        if self._browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()


def serve(page: Path, host: str, port: int, browser: bool) -> None:
    """Serve a notebook, and those beside it, until Ctrl-C or SIGTERM; every visitor gets a kernel of their own."""
    use_assets()
    # It takes Jupyter's milliseconds for seconds, and warns.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    # Our template, fixed, and only the extensions that draw widgets: a page is not to wait for whatever else this
    # person's JupyterLab has. Binder reads the same file.
    config = Config(json.loads((ASSETS / "jupyter_server_config.json").read_text(encoding="utf-8")))
    config.VoilaConfiguration.kernel_spec_manager_class = ThisPython
    config.VoilaExecutor.cell_error_instruction = "The terminal that runs kdlab app says why."
    server = _Server(
        page,
        browser,
        config=config,
        config_file_paths=[],  # settings for other Voilà pages are not for this one
        log_level=logging.ERROR,
        ip=host,
        port=port,
        port_retries=0,
        tornado_settings={"allow_remote_access": False},  # no page elsewhere reaches a kernel by a forged host name
    )
    server.initialize([])
    server.start()
