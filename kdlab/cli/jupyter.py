"""Which Python runs the notebooks."""

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

__all__ = ["ThisPython"]


class ThisPython(KernelSpecManager):
    """Offers one kernel, the Python that runs kdlab: a "python3" that is registered elsewhere may lack kdlab."""

    def _kernel_dirs_default(self) -> list[str]:
        return []  # where none is registered, Jupyter falls back on the interpreter it runs in

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the spec of that kernel, which says on the terminal only what went wrong."""
        spec = super().get_kernel_spec(kernel_name)
        spec.argv.append("--log-level=ERROR")
        return spec
