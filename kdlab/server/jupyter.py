"""What both servers share: the Python that runs the notebooks, and where Jupyter finds our template and settings."""

import os
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

__all__ = ["ASSETS", "ThisPython", "use_assets"]

ASSETS = Path(__file__).parent / "share" / "jupyter"


class ThisPython(KernelSpecManager):
    """Offers one kernel, the Python that runs kdlab: a "python3" that is registered elsewhere may lack kdlab."""

    def _kernel_dirs_default(self) -> list[str]:
        return []  # where none is registered, Jupyter falls back on the interpreter it runs in

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the spec of that kernel, which says on the terminal only what went wrong."""
        spec = super().get_kernel_spec(kernel_name)
        spec.argv.append("--log-level=ERROR")
        return spec


def use_assets() -> None:
    """Let Jupyter in this process look first at what comes with kdlab (Binder does the same in `binder/start`)."""
    for variable in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
        os.environ[variable] = os.pathsep.join(filter(None, [str(ASSETS), os.environ.get(variable)]))
