"""What every experiment must be: settings, plan, report, kept logits; the same again, and after an interruption."""

import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refusal
from tiny_experiments import NAMES, OWN, SEEDS, SMALLEST, conduct, kind_of, noting, outcome, smallest

from kdlab.datasets import load
from kdlab.experiments.framework import report_files
from kdlab.experiments.framework.claims import judge_anew
from kdlab.experiments.framework.events import ExperimentPlanned, JobStarted, JobValidated, PlanAdvanced
from kdlab.experiments.framework.experiment import NAMES as NAMED
from kdlab.experiments.framework.experiment import SeedResult, TrainedSeed
from kdlab.experiments.framework.jobs import TrainedNetwork
from kdlab.experiments.framework.logit_bias import left_out_sets
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.plan import forecast
from kdlab.experiments.framework.run import SHARED, evaluate_on_test, reproduce_events
from kdlab.experiments.framework.verdicts import HOLDS, NO_GAIN, NOISE, REFUTED, RULE
from kdlab.experiments.framework.weights_cache import WeightsCache
from kdlab.registry import EXPERIMENTS, InputError, knob_fields

pytestmark = pytest.mark.process
every = pytest.mark.parametrize("name", NAMES)


# --- settings ---------------------------------------------------------------------------------------------------------


def test_listing_the_experiments_does_not_import_torch() -> None:
    code = """
import sys, kdlab.experiments, kdlab.experiments.framework.events, kdlab.experiments.framework.report
from kdlab.registry import EXPERIMENTS
assert len(EXPERIMENTS) > 8
for entry in EXPERIMENTS.values(): entry.build.of_size(False), entry.build.of_size(True)
assert not {"torch", "torchvision", "sklearn"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@every
def test_an_experiment_explains_itself_and_comes_in_two_sizes(name: str) -> None:
    entry, kind = EXPERIMENTS[name], kind_of(name)
    assert entry.label
    assert entry.help
    assert kind.__doc__
    full, quick = kind.of_size(False), kind.of_size(True)
    assert full == kind()
    assert quick != full
    assert {key: getattr(quick, key) for key in kind.quick} == dict(kind.quick)
    assert quick.seeds <= full.seeds
    for key, knob in knob_fields(kind).items():
        assert knob.key == key
        assert knob.label
        assert knob.help
        assert type(getattr(full, key)) is type(getattr(quick, key)) is knob.kind
    # What is neither a knob nor a name is text.
    assert all(isinstance(getattr(full, one.name), str) for one in fields(kind) if one.name not in knob_fields(kind))
    with pytest.raises(FrozenInstanceError):
        full.seeds = 1  # type: ignore[misc]


@every
def test_bad_numbers_and_names_are_refused(name: str) -> None:
    kind = kind_of(name)
    bad: list[tuple[str, Any]] = [(key, "no-such-name") for key in NAMED if key in smallest(name)]
    for key, knob in knob_fields(kind).items():
        bad += [(key, value) for value in (knob.minimum - 1, knob.maximum + 1, math.nan, math.inf, "many", None)]
    for key, value in bad:
        message = refusal(kind.of_size, True, **{key: value})
        assert key in message or str(value) in message
    message = refusal(kind.of_size, True, nonsense=1)
    assert "nonsense" in message
    assert "seeds" in message


# Text that only the experiment itself can tell to be wrong.
TEXTS: dict[str, list[str]] = {
    "temperatures": ["2,x", "", "nan", "inf", "0", "-1", "1000"],
    "widths": ["x", "0", "2.5", "nan", "inf", "99999"],
    "shares": ["x", "0", "101", "nan"],
    "left_out": ["ten", "", "0,1,2,3,4,5,6,7,8,9", "only 0,1,2,3,4,5,6,7,8,9"],
    "teacher": ["mlp:wide", "mlp:8x1:dropout=2"],
    "student": ["mlp:wide", "cnn:width=0"],
    "network": ["mlp:wide", "resnet18:8"],
    "augmentation": ["affine:views=1", "none:pixels=2"],
    "other": ["no-such-set", "digits:8"],
    "subsets": ["cat", "1, 1", ";", "1,2;", "0,1,2,3,4,5,6,7,8,9"],
    "similarity": ["likeness"],
    "clustering": ["by hand"],
}


@every
def test_bad_text_is_refused_before_anything_is_trained(name: str, tmp_path: Path) -> None:
    begun: list[Any] = []
    folder = tmp_path / "new"

    def run(key: str, value: str) -> None:
        for event in reproduce_events(name, folder, True, smallest(name, seeds=1, **{key: value})):
            begun.extend([(key, value)] if isinstance(event, JobStarted) else [])

    for key in TEXTS.keys() & smallest(name):
        for value in TEXTS[key]:
            with noting(kind_of(name)):
                refusal(run, key, value)
    assert begun == []
    assert not folder.exists()


# --- the run ----------------------------------------------------------------------------------------------------------


@every
def test_what_is_planned_is_what_is_trained(name: str, tmp_path: Path) -> None:
    made = outcome(name)
    (plan,) = made.every(ExperimentPlanned)
    begun = made.every(JobStarted)
    assert [label for label, _ in plan.pieces] == [event.label for event in begun]
    assert not any(event.kept for event in begun)
    assert all(seconds > 0 for _, seconds in plan.pieces)
    assert plan.seconds == pytest.approx(sum(seconds for _, seconds in plan.pieces))
    done = [event.seconds for event in made.every(PlanAdvanced)]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(plan.seconds)
    kinds = [type(event).__name__ for event in made.events]
    assert kinds.index("ExperimentPlanned") < kinds.index("JobStarted")
    assert (kinds.count("ExperimentFinished"), kinds[-1]) == (1, "ExperimentFinished")
    for event in made.every(JobValidated):
        assert event.label in [label for label, _ in plan.pieces]
        assert 0 <= event.epoch <= event.epochs
        assert all(0 <= errors <= event.total for errors in event.errors.values())
    # Not only the labels: the pieces themselves.
    with noting(kind_of(name)):
        data = load("sealed:plain")
        again = forecast(kind_of(name).of_size(True, **smallest(name)), data, WeightsCache(tmp_path))
    assert set(again.costs) == set(made.pieces)
    assert list(tmp_path.iterdir()) == []


@every
def test_an_interrupted_experiment_goes_on_and_ends_the_same(name: str, tmp_path: Path) -> None:
    whole = outcome(name)
    half = (len(whole.every(JobStarted)) + 1) // 2
    stopped = conduct(name, tmp_path, pieces=half)
    assert len(stopped.pieces) == half
    resumed = conduct(name, tmp_path)
    assert [event.kept for event in resumed.every(JobStarted)] == [at < half for at in range(len(whole.pieces))]
    (plan,) = resumed.every(ExperimentPlanned)
    assert [seconds == 0 for _, seconds in plan.pieces] == [event.kept for event in resumed.every(JobStarted)]
    assert resumed.pieces.keys() == whole.pieces.keys()
    assert report_files.to_line(resumed.numbers) == report_files.to_line(whole.numbers)
    assert resumed.concluded.arrays.keys() == whole.concluded.arrays.keys()
    for key, array in whole.concluded.arrays.items():
        assert key == "seconds" or (resumed.concluded.arrays[key] == array).all()


# --- the report -------------------------------------------------------------------------------------------------------


def test_the_smallest_settings_are_settings() -> None:
    """Of some experiment each: otherwise this file would say less than it seems to."""
    known = {item.name for name in NAMES for item in fields(kind_of(name))}
    assert known >= SMALLEST.keys()
    assert all(OWN[name].keys() <= {item.name for item in fields(kind_of(name))} for name in OWN)


@every
def test_a_report_is_json_and_says_how_it_came_about(name: str) -> None:
    report = outcome(name).report
    assert json.loads(json.dumps(report, allow_nan=False)) == json.loads(report_files.to_line(report))
    assert list(report) == [
        "experiment", "label", "size", "settings", "rows", "claims", "rule", "charts", "notes", "sources", "examples",
        "chosen", "seconds", "pieces", "device", "machine", "threads", "versions",
    ]  # fmt: skip
    assert (report["experiment"], report["label"], report["size"]) == (name, EXPERIMENTS[name].label, "quick")
    assert report["settings"] == {**{item.name: None for item in fields(kind_of(name))}, **report["settings"]}
    assert report["settings"].items() >= smallest(name).items()
    assert report["examples"] == {"train": 1294, "validation": 143, "test": 360}
    assert len(report["chosen"]) == SEEDS
    assert report["versions"].keys() == {"kdlab", "torch", "python"}
    assert all(isinstance(note, str) for note in report["notes"])


@every
def test_rows_have_one_value_a_seed_or_one(name: str) -> None:
    report = outcome(name).report
    rows = report["rows"]
    assert rows
    assert len({row["label"] for row in rows}) == len(rows)
    for row in rows:
        assert row.keys() == {"label", "unit", "values", "mean", "deviation", "reference", "place", "detail"}
        values = row["values"]
        if row["mean"] is None:  # a share of nothing
            assert (values, row["deviation"]) == ([], None)
            continue
        assert len(values) in (1, SEEDS)
        assert row["mean"] == pytest.approx(sum(values) / len(values))
        if len(values) == 1:
            assert row["deviation"] is None
        else:  # of two
            assert row["deviation"] == pytest.approx(abs(values[0] - values[1]) / math.sqrt(2))
        if row["unit"] == "errors":
            assert all(0 <= value <= 360 for value in values)
        if row["unit"] == "%" and not row["label"].startswith("share of"):
            assert all(0 <= value <= 100 for value in values)
        assert all(isinstance(value, int | float) for value in row["reference"].values())
        assert isinstance(row["place"], int)
        assert row["reference"].keys() <= report["sources"].keys()
    assert report["sources"].keys() == {source for row in rows for source in row["reference"]}


@every
def test_each_claim_has_a_verdict(name: str) -> None:
    claims = outcome(name).report["claims"]
    assert claims
    for claim in claims:
        assert claim.keys() == {"text", "measured", "verdict", "mean", "interval", "kind", "about"}
        assert claim["text"].endswith(".")
        assert claim["measured"]
        assert "nan" not in claim["measured"]
        if claim["interval"] is None:
            assert claim["verdict"] in (NOISE, NO_GAIN)
            continue
        low, high = claim["interval"]
        assert low <= claim["mean"] <= high
        if claim["kind"] != "All":  # a whole may be refuted by another part than that of the interval
            assert claim["verdict"] in (HOLDS if low > 0 else REFUTED if high < 0 else NOISE, NOISE)


@every
def test_a_report_is_judged_anew_from_its_files(name: str, tmp_path: Path) -> None:
    """Without any training, and to the last digit: the outcomes of every example are kept beside the report."""
    found = outcome(name)
    path = report_files.save(found.report, found.concluded.arrays, tmp_path, name)
    report, arrays = report_files.load(tmp_path, name)
    outcomes = Outcomes.unpack(arrays)
    anew = [judge_anew(claim, outcomes) for claim in report["claims"]]
    assert json.loads(report_files.to_line({"claims": anew}))["claims"] == report["claims"]
    assert report["rule"] == RULE
    assert path.with_suffix(".npz").stat().st_size < 400_000


@every
def test_reports_say_that_seeds_share_a_teacher(name: str) -> None:
    shared = name not in ("ensemble", "specialists")
    assert (SHARED in outcome(name).report["notes"]) == shared


def check_chart(chart: dict[str, Any], examples: int) -> None:
    """Of the form that `Summary` documents, with finite numbers."""
    if chart["kind"] == "confusion":
        assert {"kind", "title", "classes", "counts"} <= chart.keys() <= {"kind", "title", "classes", "counts", "minus"}
        for counts in (chart["counts"], chart.get("minus", chart["counts"])):
            assert np.array(counts).shape == (len(chart["classes"]),) * 2
            assert np.array(counts).sum() == examples
        return
    if chart["kind"] == "map":
        assert chart.keys() == {"kind", "title", "x", "y", "x_values", "y_values", "z"}
        assert len(chart["z"]) == len(chart["y_values"]) > 0
        assert {len(row) for row in chart["z"]} == {len(chart["x_values"])}
        numbers = [*chart["x_values"], *chart["y_values"], *(value for row in chart["z"] for value in row)]
    else:
        assert chart.keys() == {"kind", "title", "x", "y", "log", "series"}
        assert chart["kind"] == "lines"
        assert isinstance(chart["log"], bool)
        assert len({series["name"] for series in chart["series"]}) == len(chart["series"]) > 0
        numbers = []
        for series in chart["series"]:
            assert {"name", "role", "x", "y"} <= series.keys() <= {"name", "role", "x", "y", "deviation"}
            assert series["role"] in ("teacher", "student", "baseline", "truth")
            assert len(series["x"]) == len(series["y"]) == len(series.get("deviation", series["y"])) > 0
            assert min(series["x"]) > 0 or not chart["log"]
            assert min(series.get("deviation", [0])) >= 0
            numbers += [*series["x"], *series["y"], *series.get("deviation", [])]
    assert all(isinstance(chart[key], str) and chart[key] for key in ("title", "x", "y"))
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in numbers)


@every
def test_charts_have_the_form_that_is_documented(name: str) -> None:
    for chart in outcome(name).report["charts"]:
        check_chart(chart, 360)


# --- kept logits ------------------------------------------------------------------------------------------------------


@every
def test_only_what_can_be_scored_anew_is_kept(name: str) -> None:
    kind, arrays = kind_of(name), outcome(name).concluded.arrays
    outcomes = {key for key in arrays if key.startswith(("outcomes/", "bits/", "numbers/"))}
    assert outcomes
    assert bool(arrays.keys() - outcomes) == bool(kind.sliders)
    for choice in (kind.choices(arrays) or [""]) if kind.sliders else []:
        for values in [
            {knob.key: getattr(knob, end) for knob in kind.sliders} for end in ("default", "minimum", "maximum")
        ]:
            scored = kind.rescore(arrays, choice, values)
            assert scored.tiles
            assert all(isinstance(part, str) and part for tile in scored.tiles for part in tile)
            for chart in scored.charts:
                check_chart(json.loads(json.dumps(chart, allow_nan=False)), 143)


def at_rest(name: str, choice: str = "") -> dict[str, str]:
    """The tiles with all sliders where they are at first."""
    kind = kind_of(name)
    values = {knob.key: knob.default for knob in kind.sliders}
    return dict(kind.rescore(outcome(name).concluded.arrays, choice, values).tiles)


def errors_of(tile: str) -> float:
    return float(tile.removesuffix(" errors"))


def test_the_ensembles_sliders_score_validation_images() -> None:
    kind, arrays = kind_of("ensemble"), outcome("ensemble").concluded.arrays
    labels = load("digits").validation.labels.numpy()
    assert np.array_equal(arrays["labels"], labels)

    def wrong(logits: np.ndarray[Any, Any]) -> int:
        return int((logits.argmax(-1) != labels).sum())

    tiles = at_rest("ensemble")
    assert arrays["members"].shape == (3, 143, 10)
    assert errors_of(tiles["3 together"]) == wrong(arrays["members"].mean(0))
    assert errors_of(tiles["one network (mean)"]) == pytest.approx(wrong(arrays["members"]) / 3, abs=0.06)
    assert errors_of(tiles["distilled single network"]) == wrong(arrays["student"])
    together = np.exp(arrays["members"] - arrays["members"].max(-1, keepdims=True)).astype(np.float64)
    together /= together.sum(-1, keepdims=True)
    arithmetic = kind.rescore(arrays, "", {"power": 1.0, "networks": 3})
    assert errors_of(dict(arithmetic.tiles)["3 together"]) == wrong(together.mean(0))


def test_a_left_out_class_without_validation_images_has_no_share() -> None:
    made = outcome("missing-class")
    stays = made.concluded.arrays["labels"] != 3
    arrays = {
        key: values[stays] if key == "labels" or key.startswith("logits/") else values
        for key, values in made.concluded.arrays.items()
    }
    scored = kind_of("missing-class").rescore(arrays, "no 3", {"offset": 0.0})
    assert dict(scored.tiles)["missing classes right"] == "no such validation image"
    assert [line["name"] for line in scored.charts[0]["series"]] == ["other classes"]


def test_a_left_out_class_without_test_images_has_no_share() -> None:
    kind = kind_of("missing-class")(**smallest("missing-class", dataset="digits", seeds=1, every=True))
    labels = np.arange(40) % 9
    names = {"teacher", *left_out_sets("3; only 7,8", True, tuple("0123456789"))}
    logits = {name: np.eye(10, dtype=np.float32)[labels] for name in names}
    exam = SeedResult(0, labels, logits, tuple("0123456789"), None, {"offsets": dict.fromkeys(names, 0.0)})
    summary = kind.summarize([exam])
    rows = {row.label: row.to_dict() for row in summary.rows}
    assert rows["no 9: as trained, missing classes right"]["mean"] is None
    assert rows["no 8: as trained, missing classes right"]["mean"] == 100
    assert all(line["x"] == list(range(9)) and np.isfinite(line["y"]).all() for line in summary.charts[0]["series"])


def test_what_a_network_cannot_say_of_the_test_images_is_refused() -> None:
    class Nothing(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.full((len(inputs), 10), torch.nan)

    finished = TrainedSeed({"student": TrainedNetwork(Nothing(), "hash")})
    with pytest.raises(InputError, match="The network 'student' gives logits that are NaN to images of digits"):
        evaluate_on_test([finished], load("digits"))


def test_the_left_out_classes_sliders_score_validation_images() -> None:
    name = "missing-class"
    kind, made = kind_of(name), outcome(name)
    arrays = made.concluded.arrays
    assert np.array_equal(arrays["labels"], load("digits").validation.labels.numpy())
    assert kind.choices(arrays) == ["no 3", "only 7, 8"]
    for choice, missing in (("no 3", [3]), ("only 7, 8", [0, 1, 2, 3, 4, 5, 6, 9])):
        tiles, own = at_rest(name, choice), np.isin(arrays["labels"], missing)
        answers = arrays[f"logits/{choice}"].argmax(1)
        assert errors_of(tiles["errors"]) == (answers != arrays["labels"]).sum()
        right = 100 * (answers == arrays["labels"])[own].mean()
        assert tiles["missing classes right"] == f"{right:.1f} %"
        matched = made.chosen[0]["offsets"][choice]
        assert tiles["offset matched to the prior"] == f"{matched:.2f}"
        best = float(tiles["best offset by labels"])
        errors = [
            errors_of(dict(kind.rescore(arrays, choice, {"offset": offset}).tiles)["errors"])
            for offset in (best, matched, 0.0)
        ]
        assert min(errors) == errors[0]
