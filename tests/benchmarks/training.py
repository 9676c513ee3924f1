"""An epoch of distillation by kdlab, by a plain loop, by two libraries, and by its matrix products alone, side by side.

KDLAB_DATA=... python tests/benchmarks/training.py [--epochs N] [--rounds N] [--environments FOLDER] [--json]

The task: MNIST, from a trained 784-1200-1200-10 into a 784-800-800-10, batches of 256, Adam, T = 4. Each case runs in a
process of its own, in every round one after the other; ratios are taken within a round, and their median is printed.
The libraries get virtual environments of their own (kept in FOLDER, where one is given) that see this one's torch; one
that cannot be installed or run says so. The machine should have nothing else to do: the load is printed. kdlab's
learning rate falls by a cosine where the others' stands still, so that in two epochs its student learns less; KD-Lib's
soft loss is a squared distance.
"""

import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import save as to_bytes

from kdlab.distillation.distill import fit
from kdlab.train.device import choose_precision

PEERS = Path(__file__).parent / "peers"
# How each peer is installed beside the torch that is here: KD-Lib's own demands end at Python 3.9.
INSTALL = {
    "torchdistill": [["torchdistill==1.1.5"]],
    "kdlib": [["--no-deps", "KD-Lib==0.0.32"], ["matplotlib", "tensorboard", "tqdm", "pandas"]],
}
Result = dict[str, Any]


def make_environment(peer: str, folder: Path) -> Path:
    """Return the interpreter of an environment with the peer; raises CalledProcessError when it cannot be made."""
    place = folder / peer
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        (library,) = place.glob("lib/python*/site-packages")
        (library / "zz_torch.pth").write_text(sysconfig.get_path("purelib") + "\n")
        for packages in INSTALL[peer]:
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, stdout=sys.stderr)
        (place / "ready").touch()
    return python


def run(python: Path | str, script: str, *arguments: str) -> Result:
    """Run one case in a process of its own and return its line of JSON."""
    done = subprocess.run([python, PEERS / script, *arguments], capture_output=True, text=True)
    try:
        result: Result = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        result = {"error": f"exit code {done.returncode}: {last}"}
    return result


def measure(cases: dict[str, list[str]], rounds: int) -> dict[str, list[Result]]:
    """Run all cases in each round and return their results by name."""
    results: dict[str, list[Result]] = {name: [] for name in cases}
    for turn in range(rounds):
        for name, (python, script, *arguments) in cases.items():
            print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            results[name].append(run(python, script, *arguments))
    return results


def sum_up(results: dict[str, list[Result]], floors: dict[str, str]) -> list[Result]:
    """Return a row for each case: seconds an epoch, ratio to kdlab and share of its floor, medians over rounds."""
    rows = []
    for name, rounds in results.items():
        if errors := [result["error"] for result in rounds if "error" in result]:
            rows.append({"name": name, "error": errors[0]})
            continue

        def seconds(case: str) -> list[float]:
            return [sum(one["seconds_per_epoch"]) / len(one["seconds_per_epoch"]) for one in results[case]]

        own, floor = seconds(name), seconds(floors[name])
        rows.append(
            {
                "name": name,
                "seconds_per_epoch": median(own),
                "fastest": min(own),
                "ratio_to_kdlab": median(a / b for a, b in zip(own, seconds("kdlab"), strict=True)),
                "ratio_to_floor": median(a / b for a, b in zip(own, floor, strict=True)),
                "peak_rss_mb": max(result["peak_rss_mb"] for result in rounds),
                "test_errors": rounds[0].get("test_errors"),
                "versions": rounds[0]["versions"],
                "notes": rounds[0]["notes"],
            }
        )
    return rows


@click.command()
@click.option("--epochs", default=2, show_default=True, help="epochs of each case")
@click.option("--rounds", default=3, show_default=True, help="times that every case is run")
@click.option(
    "--environments", type=click.Path(path_type=Path), help="folder in which the peers' environments are kept"
)
@click.option("--json", "as_json", is_flag=True, help="print one line of JSON instead of a table")
def main(epochs: int, rounds: int, environments: Path | None, as_json: bool) -> None:
    """Measure an epoch of distillation."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = environments or Path(scratch)
        here, failed = {"tutorial": sys.executable}, {}
        for peer in INSTALL:
            try:
                here[peer] = str(make_environment(peer, folder))
            except (subprocess.CalledProcessError, OSError) as error:
                failed[peer] = str(error)
        load = os.getloadavg()[0]
        teacher = fit("mnist", "mlp:1200x2", epochs=3, batch_size=256)
        file = Path(scratch, "teacher.safetensors")
        file.write_bytes(to_bytes({name: one.contiguous() for name, one in teacher.state_dict().items()}))
        place = next(teacher.parameters()).device
        fast = str(choose_precision("auto", teacher, place)).removeprefix("torch.")
        given = [str(file), str(epochs)]
        cases = {
            "kdlab": [sys.executable, "case_kdlab.py", *given],
            f"floor, {fast}": [sys.executable, "case_floor.py", str(epochs), fast],
            "kdlab, float32": [sys.executable, "case_kdlab.py", *given, "float32"],
            "floor, float32": [sys.executable, "case_floor.py", str(epochs), "float32"],
            **{name: [python, f"peer_{name}.py", *given] for name, python in here.items()},
        }
        results = measure(cases, rounds) | {peer: [{"error": error}] for peer, error in failed.items()}
    floors = {name: f"floor, {fast}" if name in ("kdlab", f"floor, {fast}") else "floor, float32" for name in results}
    rows = sum_up(results, floors)
    machine = {
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "device": str(place),
        "cpu": platform.processor(),
    }
    machine |= {"torch": str(torch.__version__), "python": platform.python_version()}
    if as_json:
        print(json.dumps({"epochs": epochs, "rounds": rounds, "machine": machine, "rows": rows, "all": results}))
        return
    table = Table(title=f"{epochs} epochs, medians of {rounds} rounds; {machine}")
    for head in ("case", "s/epoch (fastest)", "× kdlab", "× floor", "share of floor", "peak MB", "test errors"):
        table.add_column(head)
    for row in rows:
        if "error" in row:
            table.add_row(row["name"], f"could not run: {row['error']}")
            continue
        table.add_row(
            row["name"], f"{row['seconds_per_epoch']:.2f} ({row['fastest']:.2f})", f"{row['ratio_to_kdlab']:.2f}",
            f"{row['ratio_to_floor']:.2f}", f"{1 / row['ratio_to_floor']:.0%}", f"{row['peak_rss_mb']:.0f}",
            str(row["test_errors"] or ""),
        )  # fmt: skip
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
