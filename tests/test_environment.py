"""The conda environments ask for what pyproject.toml asks for, and for nothing else."""

import os
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"torch": "pytorch"}


def read(path: Path) -> list:
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    return environment["dependencies"]


def wanted() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [Requirement(text) for text in project["dependencies"]]
    bounds = {CONDA_NAMES.get(one.name, one.name): str(one.specifier) for one in requirements}
    return bounds | {"python": project["requires-python"], "pip": ""}


@pytest.mark.parametrize("name", ["environment.yml", "binder/environment.yml"])
def test_same_packages_and_bounds(name: str) -> None:
    packages = [Requirement(text) for text in read(ROOT / name) if isinstance(text, str)]
    assert {one.name: str(one.specifier) for one in packages} == wanted()
    assert len(packages) == len(wanted())


def test_kdlab_itself_is_installed() -> None:
    assert [entry for entry in read(ROOT / "environment.yml") if not isinstance(entry, str)] == [{"pip": ["-e ."]}]
    post_build = ROOT / "binder/postBuild"
    assert "pip install --no-deps -e ." in post_build.read_text()
    assert all(os.access(script, os.X_OK) for script in (post_build, ROOT / "binder/start"))
