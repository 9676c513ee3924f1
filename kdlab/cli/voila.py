"""Voilà in this process, for one notebook."""

import logging
import os
import threading
import webbrowser
from pathlib import Path

import click
from traitlets.config import Config
from voila.app import Voila

import kdlab
from kdlab.cli.kernels import ThisPython

__all__ = ["serve"]

JUPYTER = Path(kdlab.__file__).parent / "assets" / "jupyter"  # holds the page's template
WIDGETS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget"]


class _Server(Voila):
    """Voilà that says where it is, and opens the browser there, once it listens."""

    def __init__(self, browser: bool, **traits: object) -> None:
        super().__init__(open_browser=True, **traits)
        self._browser = browser

    def launch_browser(self) -> None:
        click.echo(f"kdlab is at {self.connection_url} (Ctrl-C ends it)")
        if self._browser:
            threading.Thread(target=webbrowser.open, args=[self.connection_url], daemon=True).start()


def serve(notebook: Path, host: str, port: int, browser: bool) -> None:
    """Serve the notebook until Ctrl-C or SIGTERM; every visitor gets a kernel of their own."""
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(JUPYTER), os.environ.get("JUPYTER_PATH")]))
    config = Config()
    config.VoilaConfiguration.template = "kdlab"
    config.VoilaConfiguration.kernel_spec_manager_class = ThisPython
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    # Only what draws widgets: a page is not to wait for whatever else this person's JupyterLab has.
    config.VoilaConfiguration.extension_allowlist = WIDGETS
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
    logging.getLogger("tornado.general").setLevel(
        logging.ERROR
    )  # it takes Jupyter's milliseconds for seconds, and warns
    server.initialize([])
    server.start()
