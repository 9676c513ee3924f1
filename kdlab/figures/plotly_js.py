"""plotly.js, which draws the figures, as a script for any page."""

from importlib.resources import files

__all__ = ["plotly_script"]


def plotly_script() -> str:
    """Return the source of the installed plotly package's plotly.js as a script that leaves it in `kdlab_plotly`."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    # With `module` in scope and `define` out of it, so that no loader on the page grabs it; and no module, because
    # browsers compile a plain script beside the page's own work. The first line has Chromium do so with all of it,
    # which leaves little to the page's own thread.
    return (
        "//# allFunctionsCalledOnLoad\n"
        "globalThis.kdlab_plotly = (function () { const module = {exports: {}}, define = undefined; "
        f"let exports = module.exports;\n{source}\n;return module.exports; }})();"
    )
