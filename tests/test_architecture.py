"""The layers, the style and the types, by the tools that check them."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from naming import PACKAGE, VAGUE, bindings

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "sklearn", "scipy"}


def run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, f"\n{done.stdout}"


@pytest.mark.process
def test_the_interface_does_not_import_torch() -> None:
    script = """
import importlib, sys
for module in (
    "kdlab.runs.worker", "kdlab.train.spec", "kdlab.train.history", "kdlab.experiments.framework.report_files",
    "kdlab.pages",
):
    importlib.import_module(module)
    loaded = HEAVY & set(sys.modules)
    assert not loaded, (module, loaded)
"""
    run("-c", script.replace("HEAVY", repr(HEAVY)))


@pytest.mark.process
def test_an_error_on_a_page_does_not_load_torch() -> None:
    """Tracebacks and `inspect` look at everything in `sys.modules`, and displays at the variables of a frame."""
    script = """
import inspect, sys, traceback
from IPython.core.ultratb import VerboseTB
import kdlab.pages
from kdlab.lazy import F, nn, torch

def fail():
    names = torch, nn, F
    return names[3]

try:
    fail()
except IndexError:
    traceback.format_exc()
    VerboseTB(include_vars=True).text(*sys.exc_info())
inspect.getmodule(fail)
[inspect.unwrap(x) for x in (torch, nn, F)], [hasattr(x, "__file__") for x in (torch, nn, F)], repr([torch, nn, F])
loaded = HEAVY & set(sys.modules)
assert not loaded, loaded
assert torch.zeros(2).shape == (2,) and nn.Linear and F.pad
"""
    run("-c", script.replace("HEAVY", repr(HEAVY)))


@pytest.mark.process
def test_figures_import_neither_torch_nor_widgets() -> None:
    modules = "kdlab.figures.curves, kdlab.figures.confusion"
    run("-c", f"import sys, {modules}; assert not {HEAVY | {'ipywidgets', 'plotly'}} & set(sys.modules)")


@pytest.mark.process
def test_imports_go_down_only() -> None:
    run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")


@pytest.mark.process
def test_style() -> None:
    run("-m", "ruff", "check", "--no-cache")


@pytest.mark.process
def test_format() -> None:
    run("-m", "ruff", "format", "--check", "--no-cache")


@pytest.mark.process
def test_types() -> None:
    run("-m", "mypy")


@pytest.mark.parametrize("suffix", ["py", "js"])
def test_names_are_of_the_field(suffix: str) -> None:
    names = [name.strip("_") for path in PACKAGE.rglob(f"*.{suffix}") for _, name in bindings(path)]
    assert len(names) > 1000
    assert sum(name in VAGUE for name in names) < 0.005 * len(names), "python tests/naming.py lists them"


def test_no_two_classes_have_one_name() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    names = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert {name for name in names if names.count(name) > 1} == set()


def test_no_string_names_a_module_of_a_higher_layer() -> None:
    """Imports are checked by import-linter; a module that is loaded by its name is in a string."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    levels = {name: -row for row, names in enumerate(contract["layers"]) for name in re.findall(r"kdlab\.(\w+)", names)}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if room in levels and isinstance(node, ast.Constant) and isinstance(node.value, str):
                target = re.fullmatch(r"kdlab\.(\w+)[\w.]*(:\w+)?", node.value)
                assert not target or levels.get(target[1], levels[room]) <= levels[room], f"{path.name}: {node.value}"
