"""What people install holds everything that the pages need."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.process
def test_wheel_holds_what_is_not_python(tmp_path: Path) -> None:
    offline = ["--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "wheel", "-q", str(ROOT), *offline, "-w", str(tmp_path)]
    subprocess.run(command, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("kdlab-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"kdlab/apps/{path.name}" for path in (ROOT / "apps").glob("*.ipynb")}
    wanted |= {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "kdlab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "kdlab/apps/distil.ipynb" in wanted
    assert "kdlab/server/share/jupyter/voila/templates/kdlab/index.html.j2" in wanted
    assert wanted <= packed
