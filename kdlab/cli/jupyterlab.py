"""JupyterLab in this process, on a folder of notebooks."""

from pathlib import Path

from jupyterlab.labapp import LabApp

__all__ = ["serve"]


def serve(folder: Path, host: str, port: int, browser: bool) -> None:
    """Serve the folder until Ctrl-C or SIGTERM; the address it prints holds the key."""
    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={folder.absolute()}",
            f"--ServerApp.ip={host}",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.open_browser={browser}",
            "--ServerApp.answer_yes=True",  # Ctrl-C means it
            "--ServerApp.allow_root=True",  # as everybody is in a container
            "--ServerApp.log_level=ERROR",  # the address is printed all the same
            "--ServerApp.kernel_spec_manager_class=kdlab.cli.kernels.ThisPython",
            "--LabApp.default_url=/lab/tree/distil.ipynb",
            # Nothing is fetched, and nobody is asked whether it may be.
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
    )
