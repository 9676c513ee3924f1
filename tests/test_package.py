"""`import kdlab` gives the names that people use, quickly and without torch."""

import subprocess
import sys

import pytest

import kdlab


def run(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.mark.process
def test_the_import_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "ipywidgets", "plotly", "click", "kdlab.registry"}
    assert run("-c", f"import sys, kdlab; dir(kdlab); print({heavy} & set(sys.modules))") == "set()\n"


@pytest.mark.parametrize("name", kdlab.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(kdlab, name).__doc__
    assert name in dir(kdlab)


@pytest.mark.process
def test_pages_come_without_torch() -> None:
    names = "Distil, Predictions, Runs, Temperature, __version__"
    assert run("-c", f"import sys; from kdlab import {names}; print('torch' in sys.modules)") == "False\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'kdlab' has no attribute 'destil'$"):
        kdlab.destil  # noqa: B018
    with pytest.raises(ImportError, match="destil"):
        from kdlab import destil  # noqa: F401


@pytest.mark.process
def test_it_runs_as_a_module() -> None:
    assert run("-m", "kdlab", "--version") == f"kdlab, version {kdlab.__version__}\n"
