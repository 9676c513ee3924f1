"""How long a start takes: `import kdlab`, and a whole run on the digits, Python included; medians of five.

python tests/benchmarks/start.py
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

CASES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import kdlab": [sys.executable, "-c", "import kdlab"],
    "import torch": [sys.executable, "-c", "import torch"],
    "kdlab distill --dataset digits --epochs 5": [
        str(Path(sys.executable).with_name("kdlab")), "distill", "--dataset", "digits", "--epochs", "5", "--json",
    ],
}  # fmt: skip
ROUNDS = 5


def main() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, command in CASES.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            found[name].append(time.perf_counter() - began)
    for name, seconds in found.items():
        print(f"{name:<45}{median(seconds):>8.3f} s")


if __name__ == "__main__":
    main()
