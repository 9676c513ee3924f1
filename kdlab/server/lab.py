"""JupyterLab in this process, on a folder of notebooks."""

from pathlib import Path

from jupyterlab.labapp import LabApp

from kdlab.server.jupyter import use_assets
from kdlab.server.voila_internals import hide_token_warning

__all__ = ["serve"]


def serve(folder: Path, host: str, port: int, browser: bool) -> None:
    """Serve the folder until Ctrl-C or SIGTERM; the printed address has the key."""
    use_assets()  # its labconfig disables Lab's question about news
    hide_token_warning()
    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={folder.absolute()}",
            f"--ServerApp.ip={host}",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.open_browser={browser}",
            "--ServerApp.answer_yes=True",  # Ctrl-C ends without a question
            "--ServerApp.allow_root=True",  # the usual user in a container
            "--ServerApp.kernel_spec_manager_class=kdlab.server.jupyter.ThisPython",
            "--LabApp.default_url=/lab/tree/distil.ipynb",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--ServerApp.log_level=ERROR",  # the address is printed all the same
            "--LabApp.log_level=ERROR",
        ]
    )
