"""A made-up result of the experiment "specialists", as its page takes it, without any training."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.experiment import SeedResult
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.verdicts import RULE
from kdlab.experiments.specialists import SpecialistsExperiment
from kdlab.experiments.specialists_model import predict_by_n
from kdlab.experiments.specialists_report import NAMES, page_arrays
from kdlab.specialists.class_clusters import find_subsets, tree
from kdlab.specialists.subsets import membership, write_subsets

__all__ = ["CIFAR", "made_result"]

CIFAR = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
ALIKE = [(3, 5), (0, 8), (1, 9), (4, 7), (2, 4), (3, 6)]  # of CIFAR, most alike first


def made_result(
    names: list[str] | None = None, count: int = 4, size: int = 3, examples: int = 400, **settings: Any
) -> Result:
    """Return a result whose generalist confuses some classes, and whose specialists tell them apart rather better."""
    names = names or CIFAR
    classes = len(names)
    draw = np.random.default_rng(0)
    labels = draw.integers(0, classes, examples)
    centres = 3.5 * np.eye(classes)
    pairs = ALIKE if classes == len(CIFAR) else [(at, at + 1) for at in range(0, classes - 1, 2)]
    for rank, (a, b) in enumerate(pairs):
        centres[a, b] = centres[b, a] = 3.0 - 0.25 * min(rank, 8)
    said = {name: centres[labels] + draw.normal(0, 1.0, (examples, classes)) for name in NAMES if name != "together"}
    shares = np.exp(said["generalist"])
    similarity = np.corrcoef(shares / shares.sum(1, keepdims=True), rowvar=False)
    subsets = find_subsets(similarity, count, size, "hierarchical")
    for at, subset in enumerate(subsets):
        place = {one: where for where, one in enumerate(subset)}
        own = np.array([place.get(label, len(subset)) for label in labels.tolist()])
        logits = 2.5 * np.eye(len(subset) + 1)[own] + draw.normal(0, 1.0, (examples, len(subset) + 1))
        said[f"specialist {at}"] = logits
    order, joints = tree(similarity)
    noted: dict[str, NDArray[Any]] = {
        "classes": np.array(names), "similarity": similarity.astype(np.float32), "order": order, "tree": joints,
        "members": membership(subsets, classes),
    }  # fmt: skip
    latency = {str(n): 1e-4 * (1 + n) for n in range(3)}
    exam = SeedResult(
        0, labels, {name: logits.astype(np.float32) for name, logits in said.items()}, names,
        chosen={"subsets": write_subsets(subsets, names), "n": 1, "direction": "forward", "latency": latency},
        sizes={name: {"parameters": 10_000, "multiply_adds": 2_000_000} for name in [*said, "together"]},
        extras=noted, images=_striped(labels, draw),
    )  # fmt: skip
    experiment = SpecialistsExperiment(seeds=1, count=count, size=size, **settings)
    summary = experiment.summarize([replace(exam, extras=page_arrays(exam, predict_by_n(exam)))])
    claims = [claim.to_dict(Outcomes(summary.outcomes, labels)) for claim in summary.claims]
    report = {
        "experiment": "specialists", "label": "Specialists", "size": "full", "settings": asdict(experiment),
        "rows": [row.to_dict() for row in summary.rows], "claims": claims, "rule": RULE,
        "charts": list(summary.charts), "notes": list(summary.notes), "sources": {"paper": "Hinton et al."},
        "examples": {"test": examples}, "chosen": [], "seconds": 60.0, "device": "cpu", "machine": "x86_64",
        "threads": 2, "versions": {"kdlab": "0.1.0"},
    }  # fmt: skip
    return Result(report, summary.arrays)


def _striped(labels: NDArray[np.int64], draw: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures (examples, 3, 16, 16) with a colour and a pattern for each class."""
    stripes = np.arange(16) % (labels[:, None] % 8 + 2) == 0
    colours = np.stack([labels * 25 % 256, 255 - labels * 20 % 256, labels * 70 % 256], 1)
    pictures = np.where(stripes[:, None, None, :], 235, colours[:, :, None, None])
    return (pictures + draw.integers(-15, 15, (len(labels), 3, 16, 16))).clip(0, 255).astype(np.uint8)
