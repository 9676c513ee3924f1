"""JupyterLab in this process, on a folder of notebooks."""

import warnings
from pathlib import Path

from jupyterlab.labapp import LabApp

from kdlab.server.jupyter import use_assets

__all__ = ["serve"]


def serve(folder: Path, host: str, port: int, browser: bool) -> None:
    """Serve the folder until Ctrl-C or SIGTERM; the address it prints holds the key."""
    use_assets()  # its labconfig keeps Lab from asking whether it may fetch news
    import voila  # noqa: F401  (it turns on warnings of what Jupyter does on every start)

    warnings.filterwarnings("ignore", "ServerApp.token config is deprecated")
    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={folder.absolute()}",
            f"--ServerApp.ip={host}",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.open_browser={browser}",
            "--ServerApp.answer_yes=True",  # Ctrl-C means it
            "--ServerApp.allow_root=True",  # as everybody is in a container
            "--ServerApp.kernel_spec_manager_class=kdlab.server.jupyter.ThisPython",
            "--LabApp.default_url=/lab/tree/distil.ipynb",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--ServerApp.log_level=ERROR",  # the address is printed all the same
            "--LabApp.log_level=ERROR",
        ]
    )
