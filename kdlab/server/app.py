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

from kdlab.runs.limits import Limits
from kdlab.server.handlers import HANDLERS, NotFoundHandler, guarded, restrict_pattern
from kdlab.server.jupyter import ASSETS, ThisPython, use_assets
from kdlab.server.kernels import MESSAGE_TYPES, Kernels
from kdlab.server.scripts import ScriptHandler, chunks, plotly
from kdlab.server.voila_internals import Voila, configure_preheating, set_template_resources

__all__ = ["serve"]


MAX_BODY_BYTES = 1_000_000  # of a request: pages send longer data in chunks through their sockets
MAX_MESSAGE_BYTES = 2_000_000  # of a message to a kernel; a file arrives in chunks of 0.9 MB
REFILL_DELAY = 5.0  # seconds until a preheated kernel is replaced: the page that took it needs the processor first


class _Server(Voila):
    """Voilà for a folder's pages; once it listens, it prints the address of one page and opens the browser there."""

    def __init__(self, page: Path, fragment: str, hosts: Iterable[str] | None, browser: bool, **traits: object) -> None:
        super().__init__(root_dir=str(page.parent), open_browser=True, **traits)
        self._folder, self._path, self._fragment = page.parent, f"voila/render/{page.name}", fragment
        self._hosts, self._browser = hosts, browser

    def init_settings(self) -> dict[str, Any]:
        """Return Voilà's settings, with our handler for unknown addresses."""
        settings: dict[str, Any] = super().init_settings()
        self.kernel_manager.allowed_message_types = MESSAGE_TYPES
        start = url_path_join(self.base_url, self._path)
        return settings | {
            "compress_response": True,
            "default_handler_class": guarded(NotFoundHandler, self._hosts, start),
        }

    def init_handlers(self) -> list[tuple[Any, ...]]:
        """Return the handlers of Voilà that a page needs, for this project's files, and a redirect to the page."""
        extensions = self.voila_configuration.extension_allowlist
        scripts = {
            "kdlab_scripts": chunks(self.static_paths, self.labextensions_path, extensions),
            "kdlab_plotly": plotly(),
        }
        place = url_path_join(self.base_url, "kdlab/")
        set_template_resources(self, {key: place + script.name for key, script in scripts.items()})
        start = url_path_join(self.base_url, self._path)
        pages = [page.name for page in self._folder.glob("*.ipynb")]
        ours = [
            (self.base_url, RedirectHandler, {"url": start, "permanent": False}),
            (f"{place}(.*)", ScriptHandler, {"scripts": {script.name: script for script in scripts.values()}}),
        ]
        voilas = [
            (
                restrict_pattern(path, pages, self.voila_configuration.template, extensions),
                HANDLERS[handler],
                *arguments,
            )
            for path, handler, *arguments in super().init_handlers()
            if handler in HANDLERS
        ]
        return [
            (path, guarded(handler, self._hosts, start), *arguments) for path, handler, *arguments in [*ours, *voilas]
        ]

    def listen(self) -> None:
        """Listen, with a limit on the body of a request."""
        self.app.listen = partial(self.app.listen, max_body_size=MAX_BODY_BYTES)
        super().listen()

    def launch_browser(self) -> None:
        """Print the address of the page, and open it."""
        address = self.connection_url + self._path + self._fragment
        click.echo(f"kdlab is at {address} (Ctrl-C ends it)")
        if self._browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()


def serve(
    page: Path,
    fragment: str,
    host: str,
    port: int,
    browser: bool,
    limits: Limits,
    base: str,
    hosts: Iterable[str] | None,
) -> None:
    """Serve a notebook, and those beside it, until Ctrl-C or SIGTERM; every visitor gets a kernel of their own.

    `fragment`: the part of its address from # on, or "".
    `base`: the path under which all addresses are; `hosts`: names that requests may use besides addresses, None where
    only this machine reaches the server.
    """
    use_assets()
    # Tornado reads Jupyter's milliseconds as seconds, and warns.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # requests for unknown addresses
    # Our fixed template, and only the extensions that draw widgets, so that a page does not load other extensions of
    # this person's JupyterLab. Binder reads the same file.
    config = Config(json.loads((ASSETS / "jupyter_server_config.json").read_text(encoding="utf-8")))
    config.VoilaConfiguration.kernel_spec_manager_class = ThisPython
    config.VoilaConfiguration.multi_kernel_manager_class = Kernels
    config.VoilaExecutor.cell_error_instruction = "The terminal that runs kdlab app says why."
    configure_preheating(config, page.name, limits.preheated, REFILL_DELAY)
    config.Kernels.visitors = limits.visitors
    config.Kernels.idle_seconds = limits.idle_seconds
    config.KernelRestarter.restart_limit = 0  # a restarted kernel would lack the widgets of its page
    server = _Server(
        page,
        fragment,
        hosts,
        browser,
        config=config,
        config_file_paths=[],  # ignore settings for other Voilà pages
        log_level=logging.ERROR,
        ip=host,
        port=port,
        port_retries=0,
        base_url=base,
        tornado_settings={
            # Notice within half a minute a page that vanished without closing, as when a laptop is shut.
            "ws_ping_interval": 10_000,
            "ws_ping_timeout": 30_000,
            "websocket_max_message_size": MAX_MESSAGE_BYTES,
        },
    )
    server.initialize([])
    server.start()
