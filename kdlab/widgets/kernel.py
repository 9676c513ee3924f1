"""Which kernel and which cell of a notebook this code runs in."""

import os
import re

from IPython import get_ipython

__all__ = ["current_cell", "kernel_id"]


def kernel_id() -> str:
    """Return the id by which Jupyter's server knows this kernel, or "" outside a kernel."""
    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return ""
    file = getattr(getattr(kernel, "parent", None), "connection_file", "") or ""
    match = re.search(r"kernel-([0-9a-f-]{36})\.json$", file)
    return match[1] if match else ""


def current_cell() -> tuple[str, str]:
    """Return the id of the cell that is executed and of this execution; ("", "") where the frontend tells none."""
    shell = get_ipython()
    if not hasattr(shell, "get_parent"):
        return "", ""
    parent = shell.get_parent()
    cell = parent.get("metadata", {}).get("cellId")
    notebook = os.environ.get("JPY_SESSION_NAME", "")  # all notebooks that kdlab copies have the same id of a cell
    return f"{notebook}:{cell}" if cell else "", parent.get("header", {}).get("msg_id") or ""
