"""Voilà in this process, for one notebook."""

import json
import logging
import threading
import webbrowser
from pathlib import Path
from typing import Any

import click
from tornado.web import HTTPError
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

from kdlab.cli.jupyter import ASSETS, ThisPython, use_assets

__all__ = ["serve"]


class _Shutdown(VoilaShutdownKernelHandler):
    """Ends a kernel when its page closes: a closing page can send no XSRF token, but it knows the kernel's id."""

    def check_xsrf_cookie(self) -> None:
        if not self.check_origin():
            raise HTTPError(403)


class _Server(Voila):
    """Voilà that says where it is, and opens the browser there, once it listens."""

    def __init__(self, browser: bool, **traits: object) -> None:
        super().__init__(open_browser=True, **traits)
        self._browser = browser

    def init_handlers(self) -> list[tuple[Any, ...]]:
        """Return Voilà's handlers, with one that a page that closes can reach."""
        ours = {VoilaShutdownKernelHandler: _Shutdown}
        return [(path, ours.get(handler, handler), *rest) for path, handler, *rest in super().init_handlers()]

    def launch_browser(self) -> None:
        click.echo(f"kdlab is at {self.connection_url} (Ctrl-C ends it)")
        if self._browser:
            threading.Thread(target=webbrowser.open, args=[self.connection_url], daemon=True).start()


def serve(notebook: Path, host: str, port: int, browser: bool) -> None:
    """Serve the notebook until Ctrl-C or SIGTERM; every visitor gets a kernel of their own."""
    use_assets()
    # It takes Jupyter's milliseconds for seconds, and warns.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    # Our template, fixed, and only the extensions that draw widgets: a page is not to wait for whatever else this
    # person's JupyterLab has. Binder reads the same file.
    config = Config(json.loads((ASSETS / "jupyter_server_config.json").read_text(encoding="utf-8")))
    config.VoilaConfiguration.kernel_spec_manager_class = ThisPython
    config.VoilaExecutor.cell_error_instruction = "The terminal that runs kdlab app says why."
    server = _Server(
        browser,
        config=config,
        config_file_paths=[],  # settings for other Voilà pages are not for this one
        log_level=logging.ERROR,
        notebook_path=str(notebook),
        ip=host,
        port=port,
        port_retries=0,
        tornado_settings={"allow_remote_access": False},  # no page elsewhere reaches a kernel by a forged host name
    )
    server.initialize([])
    server.start()
