"""Shared by both servers: the Python for the notebooks, and the paths of our Jupyter template and settings."""

import os
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

__all__ = ["ASSETS", "ThisPython", "use_assets"]

ASSETS = Path(__file__).parent / "share" / "jupyter"


class ThisPython(KernelSpecManager):
    """Offers one kernel, the current Python: a "python3" that is registered elsewhere may lack kdlab."""

    def _kernel_dirs_default(self) -> list[str]:
        return []  # without registered kernels, Jupyter falls back to the current interpreter

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the spec of that kernel, which prints only errors."""
        spec = super().get_kernel_spec(kernel_name)
        spec.argv.append("--log-level=ERROR")
        return spec


def use_assets() -> None:
    """Put kdlab's assets first on Jupyter's paths in this process (`binder/start` does the same for Binder)."""
    for variable in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
        os.environ[variable] = os.pathsep.join(filter(None, [str(ASSETS), os.environ.get(variable)]))
