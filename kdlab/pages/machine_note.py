"""A note on a small machine, as on Binder or a JupyterHub: how its limits affect the runs on its pages."""

from kdlab.train import cgroup_limits

__all__ = ["budget_line", "machine_line"]

GB = 1 << 30
# Memory of a server, a run server, a page and a run on MNIST together; memory from which on there is no note.
MNIST_BYTES, AMPLE_BYTES = 1.1 * GB, 4 * GB


def machine_line() -> str:
    """Return `budget_line` of the machine that this page runs on."""
    return budget_line(cgroup_limits.cores(), cgroup_limits.memory())


def budget_line(cores: float | None, memory: int | None) -> str:
    """Return a sentence on the limits of so many cores and bytes (None: not limited), or "" where they suffice."""
    offers, meant = [], []
    if cores is not None and cores < 2:
        offers.append("1 core" if cores == 1 else f"{cores:.2g} cores" if cores > 1 else f"{cores:.2g} of a core")
        slower = f"a run takes about {1 / cores:.1f}".removesuffix(".0") + " times as long as on a whole core"
        meant.append(slower if cores < 1 else "one run at a time goes best")
    if memory is not None and memory < AMPLE_BYTES:
        offers.append(f"{memory / GB:.2g} GB")
        subject = "large data sets and networks may" if memory >= MNIST_BYTES else "data sets larger than the digits do"
        meant.append(f"{subject} not fit")
    return f"This machine gives {' and '.join(offers)}: {', and '.join(meant)}." if offers else ""
