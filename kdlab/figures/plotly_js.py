"""plotly.js as a script for any page."""

from importlib.resources import files

__all__ = ["plotly_script"]


def plotly_script() -> str:
    """Return the installed plotly package's plotly.js as a script that assigns the library to `kdlab_plotly`."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    # `module` is defined and `define` is not, so that no AMD loader on the page takes the library. It is a classic
    # script, because browsers compile these off the main thread; the first line makes Chromium compile all functions
    # there.
    return (
        "//# allFunctionsCalledOnLoad\n"
        "globalThis.kdlab_plotly = (function () { const module = {exports: {}}, define = undefined; "
        f"let exports = module.exports;\n{source}\n;return module.exports; }})();"
    )
