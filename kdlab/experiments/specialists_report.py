"""What came of asking specialists, and of distilling them back: the report of `Specialists`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.charts import lines, series
from kdlab.experiments.framework.claims import Fewer
from kdlab.experiments.framework.literature import PAPER
from kdlab.experiments.framework.report import Row, Summary
from kdlab.experiments.specialists_model import MOST, Consulted, consulted
from kdlab.specialists.combine import DIRECTIONS

if TYPE_CHECKING:
    from kdlab.experiments.framework.experiment import Exam

__all__ = ["sum_up"]

Wrong = Mapping[str, NDArray[np.float64]]  # 1 where it is, (seeds, examples), by name

NAMES = {
    "generalist": "generalist",
    "trained on": "generalist, trained on for as many images as the specialists",
    "together": "generalist and specialists",
    "ensemble": "plain ensemble of as many networks, as many images in all",
    "student": "back into one network: student of generalist and specialists",
    "longer": "(a) generalist trained longer, as many images in all",
    "student of generalist": "(b) student of the generalist alone, as many images in all",
    "student of ensemble": "(c) student of the plain ensemble, as many images in all",
    "student of trained on": "(d) student of the generalist trained on, as many images in all",
}
# Statement, whose errors are to be more, and whose fewer.
CLAIMS = (
    ("Generalist and specialists make fewer errors than the generalist alone.", "generalist", "together"),
    ("They make fewer than the generalist trained on for as many images as they.", "trained on", "together"),
    ("They make fewer than a plain ensemble of as many networks, as many images in all.", "ensemble", "together"),
    ("Back in one network, they make fewer errors than the generalist alone.", "generalist", "student"),
    ("Back in one network, they beat (a) the generalist trained longer.", "longer", "student"),
    ("Back in one network, they beat (b) a student of the generalist.", "student of generalist", "student"),
    ("Back in one network, they beat (c) a student of a plain ensemble.", "student of ensemble", "student"),
    ("They beat (d) a student of the generalist trained on, alike in all else.", "student of trained on", "student"),
)
# What the paper's table 4 reports of JFT: how much more was right, in per cent, by how many knew the true class.
REPORTED = {0: 0.0, 1: 3.4, 2: 7.4, 3: 8.8, 4: 10.5, 5: 11.1, 6: 11.3, 7: 12.8, 8: 13.6, 9: 16.6}
TIME = "time for an answer, 32 at once, one thread"
NOTES = (
    "n, from 1 to 5, and the direction of the divergence were chosen on validation images; the networks' epochs, rates "
    "and temperature grew out of a few trials on the validation images of seed 0.",
    "A specialist's dustbin is the sum of the other classes' probabilities, not one class with weights of its own as "
    "in the paper; the students also have the labels (soft weight 0.9, hard weight 0.1). The plain ensemble's networks "
    "see the same batches. Where special classes are rare, a specialist sees their images many times in an epoch.",
    "The paper's gains are of JFT, with 15,000 classes and 61 specialists.",
)


def sum_up(exams: "Sequence[Exam]", budgets: str) -> Summary:
    """Return rows, claims and charts; the arrays are of the first seed. `budgets`: how long each was trained."""
    found = [consulted(exam) for exam in exams]
    wrong = {name: np.stack([exam.wrong(name) for exam in exams]) for name in NAMES if name != "together"}
    by_way = np.stack([one.answers != exam.labels for one, exam in zip(found, exams, strict=True)]).astype(float)
    wrong["together"] = np.stack([own[one.way] for own, one in zip(by_way, found, strict=True)])
    rows = [Row(label, wrong[name].sum(1)) for name, label in NAMES.items()]
    right = {name: 1 - wrong[name].mean(1) for name in ("generalist", "together")}
    gains = 100 * (right["together"] / np.maximum(right["generalist"], 1e-12) - 1)
    mendable = [float(one.mendable.sum()) for one in found]
    mostly = "of the generalist's, true and answered class with one specialist: the most to be mended by it"
    rows.append(Row(mostly, mendable, detail=True))
    rows.append(Row("more right with specialists", gains, "%, relative", {PAPER: 4.4}, 2))
    rows += _by_known(found, wrong)
    rows += _costs(exams, found)
    claims = [
        Fewer(
            text=text,
            of=name,
            than=than,
            measured=f"{wrong[name].sum(1).mean():.1f} errors against {wrong[than].sum(1).mean():.1f}",
        )
        for text, than, name in CLAIMS
    ]
    cost = float(np.mean([exam.sizes["ensemble"]["multiply_adds"] for exam in exams])) / 1e6
    ensemble = series("plain ensemble", "baseline", [cost], wrong["ensemble"].sum(1)[:, None].tolist())
    charts = _charts(by_way.sum(-1), found, ensemble)
    return Summary(rows, claims, wrong, charts, exams[0].noted, [budgets, *NOTES])


def _by_known(found: Sequence[Consulted], wrong: Wrong) -> list[Row]:
    """The paper's table 4: how much more is right, by how many specialists know the true class."""
    rows = []
    for count in sorted({int(level) for one in found for level in np.unique(one.known)}):
        gains, sizes = [], []
        for one, before, after in zip(found, wrong["generalist"], wrong["together"], strict=True):
            if (here := one.known == count).any() and not before[here].all():
                gains.append(100 * ((1 - after[here].mean()) / max(1 - before[here].mean(), 1e-12) - 1))
                sizes.append(int(here.sum()))
        if not gains:
            continue
        who = "1 specialist knows" if count == 1 else f"{count} specialists know"
        reported = {PAPER: REPORTED[count]} if count in REPORTED else {}
        some = "" if len(gains) == len(found) else f", in {len(gains)} of {len(found)} seeds"
        label = f"more right where {who} the true class ({np.mean(sizes):,.0f} images{some})"
        rows.append(Row(label, gains, "%, relative", reported, 2))
    return rows


def _costs(exams: "Sequence[Exam]", found: Sequence[Consulted]) -> list[Row]:
    """How many are asked, and what an answer costs."""
    asked = [float(one.asked[one.way[1]].sum()) for one in found]
    spent = [exam.chosen["latency"][str(one.way[1])] for exam, one in zip(exams, found, strict=True)]
    alone = [exam.chosen["latency"]["0"] for exam in exams]
    ratios = [ours / its for ours, its in zip(spent, alone, strict=True)]
    ensemble = [exam.sizes["ensemble"]["multiply_adds"] / 1e6 for exam in exams]
    return [
        Row("specialists asked for an image", asked, f"of {found[0].asked.shape[1]}", place=2, detail=True),
        Row("generalist: multiply-adds of networks", [one.costs[0] for one in found], "million", place=3),
        Row(
            "generalist and specialists: multiply-adds of networks",
            [one.costs[one.way[1]] for one in found],
            "million",
            place=3,
        ),
        Row("plain ensemble: multiply-adds of networks", ensemble, "million", place=3),
        Row(f"generalist and specialists: {TIME}", ratios, "times the generalist's", place=2),
        Row(f"generalist: {TIME}", [1e3 * one for one in alone], "ms", place=3, detail=True),
        Row(f"generalist and specialists: {TIME}, each", [1e3 * one for one in spent], "ms", place=3, detail=True),
    ]


def _charts(
    errors: NDArray[np.float64], found: Sequence[Consulted], ensemble: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Errors (seeds, directions, n) by n, and by what an answer costs."""
    costs = np.mean([one.costs for one in found], 0).tolist()
    roles = zip(DIRECTIONS.values(), ("student", "teacher"), strict=True)
    ways = [(label, role, errors[:, at].tolist()) for at, (label, role) in enumerate(roles)]
    by_n = [series(label, role, range(MOST + 1), own) for label, role, own in ways]
    by_cost = [*(series(label, role, costs, own) for label, role, own in ways), ensemble]
    asked = "first classes of the generalist whose specialists are asked"
    return [
        lines("Errors by n", asked, "test errors", by_n),
        lines("Errors by the cost of an answer", "million multiply-adds", "test errors", by_cost),
    ]
