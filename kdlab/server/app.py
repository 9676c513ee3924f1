"""Voilà in this process, for a folder of notebooks."""

import json
import logging
import threading
import webbrowser
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import click
from jupyter_server.utils import url_path_join
from tornado.web import RedirectHandler
from traitlets.config import Config
from voila.app import Voila

from kdlab.runs.limits import Limits
from kdlab.server.handlers import ANSWERS, Nothing, guarded, narrow
from kdlab.server.jupyter import ASSETS, ThisPython, use_assets
from kdlab.server.kernels import MESSAGES, Kernels
from kdlab.server.scripts import ScriptHandler, chunks, plotly

__all__ = ["serve"]


MOST_BYTES = 1_000_000  # of a request: pages send what is longer piece by piece, through their sockets
MOST_MESSAGE = 2_000_000  # bytes of a message to a kernel; a file comes in pieces of 0.9 MB
REFILL = 5.0  # seconds until a preheated kernel is replaced: the page that took it needs the processor first


class _Server(Voila):
    """Voilà for a folder's pages; it says where one of them is, and opens the browser there, once it listens."""

    def __init__(self, page: Path, hosts: Iterable[str] | None, browser: bool, **traits: object) -> None:
        super().__init__(root_dir=str(page.parent), open_browser=True, **traits)
        self._folder, self._path, self._hosts, self._browser = page.parent, f"voila/render/{page.name}", hosts, browser

    def init_settings(self) -> dict[str, Any]:
        """Return Voilà's settings, with answers of ours where there is nothing."""
        settings: dict[str, Any] = super().init_settings()
        self.kernel_manager.allowed_message_types = MESSAGES
        start = url_path_join(self.base_url, self._path)
        return settings | {"compress_response": True, "default_handler_class": guarded(Nothing, self._hosts, start)}

    def init_handlers(self) -> list[tuple[Any, ...]]:
        """Return those of Voilà's handlers that a page needs, for this project's files, and the way to the page."""
        extensions = self.voila_configuration.extension_allowlist
        scripts = {
            "kdlab_scripts": chunks(self.static_paths, self.labextensions_path, extensions),
            "kdlab_plotly": plotly(),
        }
        place = url_path_join(self.base_url, "kdlab/")
        self.voila_configuration.config.VoilaConfiguration.resources = {
            key: place + script.name for key, script in scripts.items()
        }
        start = url_path_join(self.base_url, self._path)
        pages = [page.name for page in self._folder.glob("*.ipynb")]
        ours = [
            (self.base_url, RedirectHandler, {"url": start, "permanent": False}),
            (f"{place}(.*)", ScriptHandler, {"scripts": {script.name: script for script in scripts.values()}}),
        ]
        voilas = [
            (narrow(path, pages, self.voila_configuration.template, extensions), ANSWERS[handler], *rest)
            for path, handler, *rest in super().init_handlers()
            if handler in ANSWERS
        ]
        return [(path, guarded(handler, self._hosts, start), *rest) for path, handler, *rest in [*ours, *voilas]]

    def listen(self) -> None:
        """Listen, and refuse the body of a long request before it is read."""
        self.app.listen = partial(self.app.listen, max_body_size=MOST_BYTES)
        super().listen()

    def launch_browser(self) -> None:
        """Say where the page is, and open it."""
        address = self.connection_url + self._path
        click.echo(f"kdlab is at {address} (Ctrl-C ends it)")
        if self._browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()


def serve(
    page: Path, host: str, port: int, browser: bool, limits: Limits, base: str, hosts: Iterable[str] | None
) -> None:
    """Serve a notebook, and those beside it, until Ctrl-C or SIGTERM; every visitor gets a kernel of their own.

    `base`: the path under which all addresses are; `hosts`: names that requests may use besides addresses, None where
    only this machine reaches the server.
    """
    use_assets()
    # It takes Jupyter's milliseconds for seconds, and warns.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # whoever asks for what is not there
    # Our template, fixed, and only the extensions that draw widgets: a page is not to wait for whatever else this
    # person's JupyterLab has. Binder reads the same file.
    config = Config(json.loads((ASSETS / "jupyter_server_config.json").read_text(encoding="utf-8")))
    config.VoilaConfiguration.kernel_spec_manager_class = ThisPython
    config.VoilaConfiguration.multi_kernel_manager_class = Kernels
    config.VoilaConfiguration.preheat_kernel = limits.preheated > 0
    config.VoilaExecutor.cell_error_instruction = "The terminal that runs kdlab app says why."
    config.VoilaKernelManager.kernel_pools_config = {
        "default": {"pool_size": 0},
        page.name: {"pool_size": limits.preheated},
    }
    config.VoilaKernelManager.fill_delay = REFILL
    config.Kernels.visitors = limits.visitors
    config.Kernels.idle_seconds = limits.idle_seconds
    config.KernelRestarter.restart_limit = 0  # a kernel that begins anew knows nothing of the widgets on its page
    server = _Server(
        page,
        hosts,
        browser,
        config=config,
        config_file_paths=[],  # settings for other Voilà pages are not for this one
        log_level=logging.ERROR,
        ip=host,
        port=port,
        port_retries=0,
        base_url=base,
        tornado_settings={
            # A page that vanished without a word, as with a laptop that was closed, is noticed in half a minute.
            "ws_ping_interval": 10_000,
            "ws_ping_timeout": 30_000,
            "websocket_max_message_size": MOST_MESSAGE,
        },
    )
    server.initialize([])
    server.start()
