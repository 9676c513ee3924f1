"""What every peer is given: MNIST from disk, the two networks, the settings, the final test and the line of JSON.

The data are plain torchvision with `ToTensor()` alone, and the networks plain PyTorch. It runs on Python 3.8 with
torch 1.8 too, which KD-Lib asks for.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

BATCH, LEARNING_RATE = 256, 1e-3
TEMPERATURE, SOFT_WEIGHT, HARD_WEIGHT = 4.0, 0.9, 0.1
SEED = 0


def mnist(train: bool) -> datasets.MNIST:
    """Open the data set in torchvision's layout; nothing is downloaded."""
    return datasets.MNIST(os.environ["KDLAB_DATA"], train=train, download=False, transform=transforms.ToTensor())


def network(width: int) -> nn.Sequential:
    """Return a 784-width-width-10 network with ReLU and without dropout."""
    hidden = [nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(width, 10))


def arguments() -> tuple[nn.Sequential, nn.Sequential, int]:
    """Return the trained teacher, a student with weights drawn from SEED and the number of epochs.

    The teacher's file is a state dict, .pt or .safetensors. Its layers are taken in the order of their numbers
    ("1.weight" or "net.1.weight"), so that it does not matter whether a Flatten was counted.
    """
    file = Path(sys.argv[1])
    if file.suffix == ".safetensors":
        from safetensors.numpy import load_file

        state = {name: torch.from_numpy(array) for name, array in load_file(file).items()}
    else:
        state = torch.load(file)
    teacher = network(1200)
    names = sorted(state, key=lambda name: (int(name.split(".")[-2]), name))
    own = sorted(teacher.state_dict())
    assert len(names) == len(own), f"{file} is no state dict of three linear layers: {names}"
    teacher.load_state_dict({own[i]: state[name] for i, name in enumerate(names)})
    torch.manual_seed(SEED)
    return teacher, network(800), int(sys.argv[2])


def peak_memory() -> float:
    """Return the most memory that this process has had, in MB; getrusage would count what its parent had before it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@torch.no_grad()
def errors(model: nn.Module) -> int:
    """Count the model's errors on the 10,000 test images."""
    model.eval()
    loader = DataLoader(mnist(train=False), batch_size=1000)
    return sum(int((model(images).argmax(1) != labels).sum()) for images, labels in loader)


def report(name: str, packages: list[str], seconds: list[float], student: nn.Module, notes: str) -> None:
    """Test the student and print the result as one line of JSON."""
    peak = peak_memory()
    versions = {package: version(package) for package in ["torch", "torchvision", *packages]}
    result = {
        "name": name,
        "versions": {"python": platform.python_version(), **versions},
        "seconds_per_epoch": [round(value, 3) for value in seconds],
        "test_errors": errors(student),
        "peak_rss_mb": round(peak, 1),
        "notes": notes,
    }
    print(json.dumps(result), flush=True)


def give_up(name: str, error: str) -> None:
    """Print why the peer cannot run as one line of JSON, and leave with status 3."""
    print(json.dumps({"name": name, "error": error}), flush=True)
    raise SystemExit(3)
