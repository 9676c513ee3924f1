"""The report of `Specialists`: rows, claims and charts, and the scores at the page's n."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdlab.experiments.framework.charts import lines, series
from kdlab.experiments.framework.claims import Fewer
from kdlab.experiments.framework.literature import PAPER
from kdlab.experiments.framework.report import ReportRow, ReportSummary, Rescored
from kdlab.experiments.specialists_model import MAX_N, RoutedPredictions, predict_by_n
from kdlab.metrics.classification import count_pairs
from kdlab.specialists.combine import DIRECTIONS

if TYPE_CHECKING:
    from kdlab.experiments.framework.experiment import SeedResult

__all__ = ["page_arrays", "rescore_specialists", "summarize_specialists"]

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
PICTURED = 30  # images of each kind to pick from: mended, spoilt, wrong both times, right both times
TIME = "time for an answer, 32 at once, one thread"
NOTES = (
    "n, from 1 to 5, and the direction of the divergence were chosen on validation images; the networks' epochs, rates "
    "and temperature grew out of a few trials on the validation images of seed 0.",
    "A specialist's dustbin is the sum of the other classes' probabilities, not one class with weights of its own as "
    "in the paper; the students also have the labels (soft weight 0.9, hard weight 0.1). The plain ensemble's networks "
    "see the same batches. Where special classes are rare, a specialist sees their images many times in an epoch.",
    "The paper's gains are of JFT, with 15,000 classes and 61 specialists.",
)


def summarize_specialists(results: "Sequence[SeedResult]", budgets: str) -> ReportSummary:
    """Return rows, claims and charts; the arrays are of the first seed. `budgets`: how long each was trained."""
    predictions = [predict_by_n(result) for result in results]
    wrong = {name: np.stack([result.wrong(name) for result in results]) for name in NAMES if name != "together"}
    by_choice = np.stack(
        [routed.predicted != result.labels for routed, result in zip(predictions, results, strict=True)]
    ).astype(float)
    wrong["together"] = np.stack(
        [wrong_by_choice[routed.chosen] for wrong_by_choice, routed in zip(by_choice, predictions, strict=True)]
    )
    rows = [ReportRow(label, wrong[name].sum(1)) for name, label in NAMES.items()]
    right = {name: 1 - wrong[name].mean(1) for name in ("generalist", "together")}
    gains = 100 * (right["together"] / np.maximum(right["generalist"], 1e-12) - 1)
    fixable = [float(routed.fixable.sum()) for routed in predictions]
    label = "of the generalist's, true and answered class with one specialist: the most to be mended by it"
    rows.append(ReportRow(label, fixable, detail=True))
    rows.append(ReportRow("more right with specialists", gains, "%, relative", {PAPER: 4.4}, 2))
    rows += _by_known(predictions, wrong)
    rows += _costs(results, predictions)
    claims = [
        Fewer(
            text=text,
            of=name,
            than=than,
            measured=f"{wrong[name].sum(1).mean():.1f} errors against {wrong[than].sum(1).mean():.1f}",
        )
        for text, than, name in CLAIMS
    ]
    cost = float(np.mean([result.sizes["ensemble"]["multiply_adds"] for result in results])) / 1e6
    ensemble = series("plain ensemble", "baseline", [cost], wrong["ensemble"].sum(1)[:, None].tolist())
    charts = _charts(by_choice.sum(-1), predictions, ensemble)
    return ReportSummary(rows, claims, wrong, charts, results[0].extras, [budgets, *NOTES])


def _by_known(predictions: Sequence[RoutedPredictions], wrong: Wrong) -> list[ReportRow]:
    """The paper's table 4: how much more is right, by how many specialists know the true class."""
    rows = []
    for count in sorted({int(level) for routed in predictions for level in np.unique(routed.knowing)}):
        gains, sizes = [], []
        for routed, generalist_wrong, together_wrong in zip(
            predictions, wrong["generalist"], wrong["together"], strict=True
        ):
            if (group := routed.knowing == count).any() and not generalist_wrong[group].all():
                gains.append(
                    100 * ((1 - together_wrong[group].mean()) / max(1 - generalist_wrong[group].mean(), 1e-12) - 1)
                )
                sizes.append(int(group.sum()))
        if not gains:
            continue
        who = "1 specialist knows" if count == 1 else f"{count} specialists know"
        reported = {PAPER: REPORTED[count]} if count in REPORTED else {}
        some = "" if len(gains) == len(predictions) else f", in {len(gains)} of {len(predictions)} seeds"
        label = f"more right where {who} the true class ({np.mean(sizes):,.0f} images{some})"
        rows.append(ReportRow(label, gains, "%, relative", reported, 2))
    return rows


def _costs(results: "Sequence[SeedResult]", predictions: Sequence[RoutedPredictions]) -> list[ReportRow]:
    """How many specialists run, and the cost of a prediction."""
    asked = [float(routed.asked_share[routed.chosen[1]].sum()) for routed in predictions]
    spent = [
        result.chosen["latency"][str(routed.chosen[1])] for result, routed in zip(results, predictions, strict=True)
    ]
    alone = [result.chosen["latency"]["0"] for result in results]
    ratios = [together / generalist for together, generalist in zip(spent, alone, strict=True)]
    ensemble = [result.sizes["ensemble"]["multiply_adds"] / 1e6 for result in results]
    return [
        ReportRow(
            "specialists asked for an image",
            asked,
            f"of {predictions[0].asked_share.shape[1]}",
            decimals=2,
            detail=True,
        ),
        ReportRow(
            "generalist: multiply-adds of networks", [routed.costs[0] for routed in predictions], "million", decimals=3
        ),
        ReportRow(
            "generalist and specialists: multiply-adds of networks",
            [routed.costs[routed.chosen[1]] for routed in predictions],
            "million",
            decimals=3,
        ),
        ReportRow("plain ensemble: multiply-adds of networks", ensemble, "million", decimals=3),
        ReportRow(f"generalist and specialists: {TIME}", ratios, "times the generalist's", decimals=2),
        ReportRow(f"generalist: {TIME}", [1e3 * seconds for seconds in alone], "ms", decimals=3, detail=True),
        ReportRow(
            f"generalist and specialists: {TIME}, each",
            [1e3 * seconds for seconds in spent],
            "ms",
            decimals=3,
            detail=True,
        ),
    ]


def _charts(
    errors: NDArray[np.float64], predictions: Sequence[RoutedPredictions], ensemble: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Errors (seeds, directions, n) by n, and by the cost of a prediction."""
    costs = np.mean([routed.costs for routed in predictions], 0).tolist()
    roles = zip(DIRECTIONS.values(), ("student", "teacher"), strict=True)
    directions = [(label, role, errors[:, index].tolist()) for index, (label, role) in enumerate(roles)]
    by_n = [series(label, role, range(MAX_N + 1), values) for label, role, values in directions]
    by_cost = [*(series(label, role, costs, values) for label, role, values in directions), ensemble]
    asked = "first classes of the generalist whose specialists are asked"
    return [
        lines("Errors by n", asked, "test errors", by_n),
        lines("Errors by the cost of an answer", "million multiply-adds", "test errors", by_cost),
    ]


def page_arrays(result: "SeedResult", routed: RoutedPredictions) -> dict[str, NDArray[Any]]:
    """Return the arrays for `rescore_specialists` and the page's other panels.

    `pictures` are uint8 images of the examples `pictured`, to which all logits belong, those of a specialist with its
    dustbin last; `seconds` of a prediction by n, where it was timed, in the chosen direction; `way`: direction and n.
    """
    right_alone, right_together = (routed.predicted[choice] == result.labels for choice in ((0, 0), routed.chosen))
    kinds = (
        ~right_alone & right_together,
        right_alone & ~right_together,
        ~right_alone & ~right_together,
        right_alone & right_together,
    )
    pictured = np.concatenate([np.flatnonzero(kind)[:PICTURED] for kind in kinds])
    assert result.images is not None
    return {
        "labels": result.labels.astype(np.int32), "answers": routed.predicted.astype(np.int16),
        "asked": routed.asked_share, "multiply_adds": routed.costs, "pictured": pictured,
        "pictures": result.images[pictured],
        "seconds": np.array([result.chosen["latency"].get(str(n), np.nan) for n in range(MAX_N + 1)]),
        "way": np.array(routed.chosen), "generalist": result.logits["generalist"][pictured],
        **{f"specialist/{index}": logits[pictured] for index, logits in enumerate(routed.specialist_logits)},
        **result.extras,
    }  # fmt: skip


def rescore_specialists(arrays: Mapping[str, NDArray[Any]], direction: int, n: int) -> Rescored:
    """Return errors, cost and confusion matrices where n stands; `direction` counts `DIRECTIONS`."""
    labels, classes = arrays["labels"].astype(np.int64), [str(name) for name in arrays["classes"]]
    alone, together = arrays["answers"][0, 0], arrays["answers"][direction, n]
    wrong_alone, wrong_together = alone != labels, together != labels
    seconds, costs, asked = 1e3 * arrays["seconds"], arrays["multiply_adds"], arrays["asked"]
    tiles = [
        ("errors, alone → with them", f"{wrong_alone.sum():,} → {wrong_together.sum():,}"),
        (
            "images mended, spoilt",
            f"{(wrong_alone & ~wrong_together).sum():,}, {(~wrong_alone & wrong_together).sum():,}",
        ),
        ("specialists asked", f"{asked[n].sum():.2f} of {asked.shape[1]}"),
        ("million multiply-adds", f"{costs[0]:.3g} → {costs[n]:.3g}"),
    ]
    chosen, best = arrays["way"]
    if np.isfinite(seconds[n]) and direction == chosen:
        tiles.append(("milliseconds", f"{seconds[0]:.2g} → {seconds[n]:.2g}"))
    tiles.append(
        ("chosen by validation", f"n = {best}, {list(DIRECTIONS.values())[chosen].removesuffix(', as in the paper')}")
    )
    counts = [count_pairs(labels, predicted, len(classes)).tolist() for predicted in (alone, together)]
    knowing = arrays["members"].sum(0)[labels]
    levels = np.unique(knowing[~wrong_alone])  # elsewhere the gain would divide by 0
    right = [
        np.array([(~wrong)[knowing == level].mean() for level in levels]) for wrong in (wrong_alone, wrong_together)
    ]
    gains = 100 * (right[1] / right[0] - 1)
    chart = {"kind": "confusion", "classes": classes}
    charts = [
        {**chart, "title": "Generalist alone", "counts": counts[0]},
        {**chart, "title": f"With specialists, n = {n}", "counts": counts[1]},
        {**chart, "title": "With specialists − alone", "counts": counts[1], "minus": counts[0]},
        lines(
            "More right, by how many know the true class", "specialists that know it", "% more right",
            [series("with specialists", "student", levels.tolist(), [gains.tolist()])],
        ),
    ]  # fmt: skip
    return Rescored(tiles, charts)
