"""The content of an experiment's report: rows beside references, claims with verdicts, and charts; plain data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.claims import Claim

__all__ = ["ReportRow", "ReportSummary", "Rescored"]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A measured quantity: one value per seed, and the values that others report, by source.

    `unit`: "errors", "%" …; `decimals`: digits behind the point; `detail`: shown only among the details.
    """

    label: str
    values: Sequence[float]
    unit: str = "errors"
    reference: Mapping[str, float] = field(default_factory=dict)
    decimals: int = 1
    detail: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data, with mean and standard deviation over seeds (None of a single seed)."""
        values = [float(value) for value in self.values]
        mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
        if not math.isfinite(mean):  # a share of nothing
            mean = deviation = None  # type: ignore[assignment]
        return {
            "label": self.label, "unit": self.unit, "values": values if mean is not None else [], "mean": mean,
            "deviation": deviation,
            "reference": dict(self.reference), "place": self.decimals, "detail": self.detail,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ReportSummary:
    """Rows, claims and charts of an experiment, and `arrays` that a page scores anew when its sliders move.

    `outcomes`: the outcomes that the claims refer to, as `Outcomes` takes them.

    A chart is {"kind": "lines", "title", "x", "y", "log", "series": [{"name", "x", "y", "deviation", "role"}]} or
    {"kind": "map", "title", "x", "y", "x_values", "y_values", "z"}, the axes' titles being "x" and "y", or
    {"kind": "confusion", "title", "classes", "counts"}, with true classes in rows, and "minus" for a difference.
    """

    rows: Sequence[ReportRow]
    claims: Sequence[Claim]
    outcomes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    charts: Sequence[Mapping[str, Any]] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Rescored:
    """Kept logits scored at the sliders' values: `tiles` (label, value in words) and charts."""

    tiles: Sequence[tuple[str, str]]
    charts: Sequence[Mapping[str, Any]] = ()
