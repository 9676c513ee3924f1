"""What a container's share of a machine means for threads and for the line on the pages."""

from pathlib import Path

import pytest
import torch

from kdlab.pages.machine_note import GB, budget_line, machine_line
from kdlab.train import cgroup_limits, device


@pytest.fixture(autouse=True)
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without limits, whatever the tests run in; what is written to this folder limits it."""
    for name in ("CPU_LIMIT", "MEM_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cgroup_limits, "CGROUPS", tmp_path)
    return tmp_path


def write(cgroups: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (cgroups / name).parent.mkdir(exist_ok=True)
        (cgroups / name).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "50000 100000"}, 0.5),
        ({"cpu.max": "400000 100000"}, 4.0),
        ({"cpu.max": "damaged"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "0"}, None),
    ],
)
def test_cores_of_control_groups(files: dict[str, str], cores: float | None, cgroups: Path) -> None:
    write(cgroups, files)
    assert cgroup_limits.cores() == cores


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({}, None),
        ({"memory.max": "max"}, None),
        ({"memory.max": "2147483648"}, 2 * GB),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ({"memory/memory.limit_in_bytes": "536870912"}, GB // 2),
    ],
)
def test_memory_of_control_groups(files: dict[str, str], memory: int | None, cgroups: Path) -> None:
    write(cgroups, files)
    assert cgroup_limits.memory() == memory


def test_a_hub_says_it_in_variables(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(cgroups, {"cpu.max": "200000 100000", "memory.max": str(8 * GB)})
    monkeypatch.setenv("CPU_LIMIT", "0.5")
    monkeypatch.setenv("MEM_LIMIT", str(2 * GB))
    assert (cgroup_limits.cores(), cgroup_limits.memory()) == (0.5, 2 * GB)
    for neither in ("", "None", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("CPU_LIMIT", neither)
        monkeypatch.setenv("MEM_LIMIT", neither)
        assert (cgroup_limits.cores(), cgroup_limits.memory()) == (2.0, 8 * GB)


@pytest.mark.parametrize(("limit", "threads"), [("0.01", 1), ("1", 1), ("2.9", 2), ("64", 4), ("", 4)])
def test_no_more_threads_than_the_share(limit: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPU_LIMIT", limit)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with device.training_context():
            assert torch.get_num_threads() == threads
            device.set_threads(1e12, torch.float32)
            assert torch.get_num_threads() == threads
            device.set_threads(1, torch.float32)
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("cores", "memory", "says"),
    [
        (None, None, ""),
        (8.0, 16 * GB, ""),
        (1.0, 2 * GB, "1 core and 2 GB: one run at a time goes best, and large data sets and networks may not fit."),
        (1.5, None, "1.5 cores: one run at a time goes best."),
        (0.5, None, "0.5 of a core: a run takes about 2 times as long as on a whole core."),
        (0.01, None, "0.01 of a core: a run takes about 100 times as long as on a whole core."),
        (0.75, 8 * GB, "0.75 of a core: a run takes about 1.3 times as long as on a whole core."),
        (None, GB // 2, "0.5 GB: data sets larger than the digits do not fit."),
        (4.0, 3 * GB, "3 GB: large data sets and networks may not fit."),
    ],
)
def test_line(cores: float | None, memory: int | None, says: str) -> None:
    assert budget_line(cores, memory) == (f"This machine gives {says}" if says else "")


def test_the_line_of_this_machine(cgroups: Path) -> None:
    assert machine_line() == ""
    write(cgroups, {"cpu.max": "100000 100000", "memory.max": str(2 * GB)})
    assert machine_line() == budget_line(1.0, 2 * GB)
