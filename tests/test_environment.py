"""The conda environments ask for what pyproject.toml asks for, and for nothing else; Binder's scripts do their work."""

import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from listening import wait_until_listening
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from kdlab.runs.connection import ServerConnection
from kdlab.server.ports import free_port

ROOT = Path(__file__).parent.parent
# Binder has no GPU: its torch is conda-forge's build without CUDA.
TORCH = {"environment.yml": "pytorch", "binder/environment.yml": "pytorch-cpu"}
# What repo2docker reads the version of Python from; whatever else stands there means its own, which may be too old.
REPO2DOCKER = re.compile(r"python\s*=+\s*(\d+\.\d+)$")


def read(path: Path) -> list:
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    return environment["dependencies"]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", TORCH)
def test_same_packages_and_bounds(name: str) -> None:
    asked = [Requirement(text) for text in project()["dependencies"]]
    wanted = {TORCH[name] if one.name == "torch" else one.name: one.specifier for one in asked} | {
        "pip": SpecifierSet()
    }
    python, *others = [text for text in read(ROOT / name) if isinstance(text, str)]
    packages = [Requirement(text) for text in others]
    assert {one.name: one.specifier for one in packages} == wanted
    assert len(packages) == len(wanted)
    assert python.startswith("python")


def test_python() -> None:
    ours = project()["requires-python"]
    assert read(ROOT / "environment.yml")[0] == f"python{ours}"
    binders = REPO2DOCKER.match(read(ROOT / "binder/environment.yml")[0])
    assert binders is not None
    assert f"{binders[1]}.0" in SpecifierSet(ours)


def test_kdlab_itself_is_installed() -> None:
    assert [entry for entry in read(ROOT / "environment.yml") if not isinstance(entry, str)] == [{"pip": ["-e ."]}]
    post_build = ROOT / "binder/postBuild"
    assert "pip install --no-deps -e ." in post_build.read_text()
    assert all(os.access(script, os.X_OK) for script in (post_build, ROOT / "binder/start"))


@contextmanager
def started(*command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command as Binder does; gives its process, and ends it and its desk."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with subprocess.Popen(
        [ROOT / "binder/start", *command], cwd=ROOT, env=os.environ | {"PATH": path} | variables,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            family = psutil.Process(process.pid).children(recursive=True)
            for one in [*family, process]:
                one.terminate()
            _, alive = psutil.wait_procs(family, 15)
            for one in [*alive, process]:
                one.kill()


def read_environment(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


# Says its environment and waits to be ended.
SAY = ("python", "-c", "import json, os; print(json.dumps(dict(os.environ)), flush=True); input()")


@pytest.mark.process
def test_binder_starts_a_desk_and_lets_jupyter_find_our_pages(tmp_path: Path) -> None:
    with started(*SAY, KDLAB_RUNS=str(tmp_path), JUPYTER_PATH="/theirs") as process:
        environment = read_environment(process)
        assert environment["JUPYTER_PATH"].endswith("kdlab/server/share/jupyter:/theirs")
        assert ServerConnection(environment["KDLAB_RUN_SERVER"]).runs() == []


@pytest.mark.process
def test_binder_starts_without_a_desk_where_it_cannot_have_one(tmp_path: Path) -> None:
    with started(*SAY, KDLAB_RUNS=str(tmp_path), KDLAB_LIMITS=str(tmp_path / "missing.toml")) as process:
        assert "KDLAB_RUN_SERVER" not in read_environment(process)


@pytest.mark.process
def test_binder_shows_a_page_under_its_address(tmp_path: Path) -> None:
    """The page of a badge's link: by Voilà in a Jupyter server of its own, with kdlab's template and no sources."""
    port = str(free_port(None))
    variables = {name: str(tmp_path) for name in ("KDLAB_RUNS", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME")}
    others = [f"--ServerApp.jpserver_extensions={name}=False" for name in ("jupyterlab", "jupyter_lsp")]  # slow
    options = ("--no-browser", "--allow-root", "--ServerApp.token=secret", "--ServerApp.base_url=/user/someone/")
    with started("jupyter", "server", "--port", port, *options, *others, **variables) as process:
        address = f"http://127.0.0.1:{port}/user/someone/"
        wait_until_listening(address, process, 120)
        with urllib.request.urlopen(f"{address}voila/render/apps/index.ipynb?token=secret", timeout=60) as answer:
            page = answer.read().decode()
        assert '<div id="loading" role="status">' in page  # of kdlab's template
        assert "application/vnd.jupyter.widget-view+json" in page
        assert "from kdlab.pages" not in page
