"""The README's two lines, to run kdlab and to test it, are marked, CI runs the second; links lead somewhere."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kdlab.assets.make_results import FOLDER, table
from kdlab.registry import EXPERIMENTS

ROOT = Path(__file__).parent.parent


def marked(readme: str, marker: str) -> str:
    blocks = re.findall(rf"^<!-- {marker} -->\n+```\w*\n(.*?)\n```$", readme, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1, f"README.md needs one fenced block after <!-- {marker} -->"
    return blocks[0]


@pytest.mark.parametrize("marker", ["run line", "test line"])
def test_marked_lines(marker: str) -> None:
    line = marked((ROOT / "README.md").read_text(), marker)
    assert line.strip()
    assert "\n" not in line


def test_results_are_the_shipped_ones() -> None:
    assert f"\n<!-- results -->\n\n{table()}\n\n<!-- /results -->\n" in (ROOT / "kdlab/docs/results.md").read_text(
        "utf-8"
    )
    assert {path.stem for path in FOLDER.glob("*")} <= set(EXPERIMENTS)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "kdlab/docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / link).exists(), link


def test_the_tree_is_the_tree() -> None:
    """Every room that README names is there, and every room that is there is named."""
    (tree,) = re.findall(r"^kdlab/\n(.*?)^tests/", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    named = re.findall(r"^  ([\w.]+)/? ", tree, re.MULTILINE)
    rooms = {path.name for path in (ROOT / "kdlab").iterdir() if not path.name.startswith(("__", ".", "py.typed"))}
    small = {"array_file.py", "atomic.py", "lazy.py", "live_params.py", "paths.py", "progress.py"}
    assert rooms - small == set(named)


def checkout(folder: Path, readme: str) -> Path:
    """Lay out what .ci/run needs."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    (folder / "README.md").write_text(readme)
    return folder / ".ci/run"


@pytest.mark.process
@pytest.mark.skipif(not shutil.which("chromium"), reason="it would install Chromium")
@pytest.mark.parametrize(
    ("readme", "status"),
    [
        ("# x\n\n<!-- test line -->\n```sh\necho it ran | tr a-z A-Z && pwd\n```\n\n```sh\nexit 3\n```\n", 0),
        ("# x\n\n<!-- test line -->\n\n```sh\nfalse\n```\n", 1),
        ("# x\n\n```sh\necho it ran\n```\n", 1),
        ("# x\n\n<!-- test line -->\n```sh\necho one\necho two\n```\n", 1),
    ],
)
def test_ci_runs_the_test_line(tmp_path: Path, readme: str, status: int) -> None:
    script = checkout(tmp_path, readme)
    assert os.access(ROOT / ".ci/run", os.X_OK)
    done = subprocess.run([script], capture_output=True, text=True, cwd="/")
    assert done.returncode == status
    if status == 0:
        assert done.stdout.splitlines()[1:] == ["IT RAN", str(tmp_path)]
