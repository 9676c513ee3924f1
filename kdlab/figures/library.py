"""plotly.js, which draws the figures, as an ES module."""

from importlib.resources import files

__all__ = ["plotly_module"]


def plotly_module() -> str:
    """Return the source of the installed plotly package's plotly.js as a module that exports it."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    # With `module` in scope and `define` out of it, so that no loader on the page grabs it.
    return (
        f"const module = {{exports: {{}}}}, define = undefined; let exports = module.exports;\n{source}\n"
        ";export default module.exports;"
    )
