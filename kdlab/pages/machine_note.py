"""What a small machine lent to a visitor, as on Binder or a JupyterHub, means for the runs on its pages."""

from kdlab.train import cgroup_limits

__all__ = ["budget_line", "machine_line"]

GB = 1 << 30
# What a server, a desk, a page and a run on MNIST have together, and from where on memory is no concern of a page.
MNIST, PLENTY = 1.1 * GB, 4 * GB


def machine_line() -> str:
    """Return `budget_line` of the machine that this page runs on."""
    return budget_line(cgroup_limits.cores(), cgroup_limits.memory())


def budget_line(cores: float | None, memory: int | None) -> str:
    """Return one sentence on what to expect of so many cores and bytes (None: not limited), "" where it goes well."""
    given, meant = [], []
    if cores is not None and cores < 2:
        given.append("1 core" if cores == 1 else f"{cores:.2g} cores" if cores > 1 else f"{cores:.2g} of a core")
        slower = f"a run takes about {1 / cores:.1f}".removesuffix(".0") + " times as long as on a whole core"
        meant.append(slower if cores < 1 else "one run at a time goes best")
    if memory is not None and memory < PLENTY:
        given.append(f"{memory / GB:.2g} GB")
        what = "large data sets and networks may" if memory >= MNIST else "data sets larger than the digits do"
        meant.append(f"{what} not fit")
    return f"This machine gives {' and '.join(given)}: {', and '.join(meant)}." if given else ""
