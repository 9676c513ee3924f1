"""Names of classes in figures: short, never two alike, and as text; in the browser: browser/test_many_classes.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from kdlab.figures.confusion import confusion_heatmap
from kdlab.figures.experiments.lines import lines
from kdlab.figures.experiments.maps import number_map
from kdlab.figures.names import abbreviate, as_text, wrapped
from kdlab.figures.overlay import Overlaid, overlaid_errors

# [names, most, short ones], for both languages
CASES = json.loads((Path(__file__).parent / "short_names.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[str(at) for at in range(len(CASES))])
def test_short_names(case: list) -> None:
    names, most, short = case
    assert abbreviate(names, most) == short


@pytest.mark.parametrize("most", [6, 9, 12, 14, 18])
@pytest.mark.parametrize(
    "names",
    [
        [f"a long name of species {at} of a bird of the far north" for at in range(200)],
        [f"{'x' * 60}{'y' * at}" for at in range(40)],
        [f"{at} {'the same end ' * 5}" for at in range(100)],
        [f"same beginning {at:03} same end" for at in range(200)] + ["same…end", "same beg… 2"],
        ["日本語の長い名前" * 8 + str(at) for at in range(30)],
    ],
)
def test_no_two_look_alike(names: list[str], most: int) -> None:
    short = abbreviate(names, most)
    assert len(set(short)) == len(names)
    assert max(map(len, short)) <= most


def test_names_are_text() -> None:
    assert as_text("<b>&amp; %{y}") == "&lt;b&gt;&amp;amp; %&#123;y}"
    long = "a <i>name</i> of sixty letters and more that goes on and on, to the end"
    lines_ = wrapped(long, 10).split("<br>")
    assert "".join(lines_) == as_text(long)
    assert max(map(len, lines_)) <= 30 + len("&lt;i&gt;") * 2


@pytest.mark.parametrize("count", [3, 13])
def test_hover_text_has_the_whole_name_of_each_class(count: int) -> None:
    names = [f"a long name that many classes <b>begin</b> with, and only the end differs: {at}" for at in range(count)]
    figure = confusion_heatmap(np.ones((count, count), np.int64), names, "", 1)
    shown = [wrapped(name, len("predicted ")) for name in names]
    for trace in figure["data"]:
        if count == 3:
            assert trace["hovertemplate"].startswith("%{hovertext}%{customdata}")
            assert trace["hovertext"][2][1] == f"true {shown[2]},<br>predicted {shown[1]}:<br>"
        else:
            assert trace["hovertemplate"].startswith("true %{y},<br>predicted %{x}:<br>")
            assert figure["layout"]["xaxis"]["ticktext"] == figure["layout"]["yaxis"]["ticktext"] == shown


@pytest.mark.parametrize("classes", [2, 10, 12])
def test_names_beside_the_cells_are_told_apart(classes: int) -> None:
    names = [f"the same beginning {at} and the same end" for at in range(classes)]
    layout = confusion_heatmap(np.ones((classes, classes), np.int64), names, "", 1)["layout"]
    for axis in ("xaxis", "yaxis"):
        assert len(set(layout[axis]["ticktext"])) == classes


@pytest.mark.parametrize(("classes", "gap"), [(10, 1), (12, 1), (13, 0), (100, 0), (200, 0)])
def test_gaps_leave_the_cells_their_colour(classes: int, gap: int) -> None:
    for trace in confusion_heatmap(np.ones((classes, classes), np.int64), list(map(str, range(classes))), "", 1)[
        "data"
    ]:
        assert trace["xgap"] == trace["ygap"] == gap


@pytest.mark.parametrize(("side", "gap"), [(5, 1), (20, 1), (21, 0), (100, 0)])
def test_gaps_of_a_map(side: int, gap: int) -> None:
    about = {"title": "", "x": "x", "y": "y", "x_values": range(side), "y_values": [1, 2], "z": [[1] * side] * 2}
    (trace,) = number_map(about)["data"]
    assert (trace["xgap"], trace["ygap"], bool(trace["texttemplate"])) == (gap, gap, bool(gap))


def test_series_named_by_people_stay_text() -> None:
    series = [{"name": "<b>%{y}", "x": [1], "y": [2]}]
    (trace,) = lines({"kind": "lines", "title": "", "x": "", "y": "", "series": series})["data"]
    assert trace["hovertemplate"].startswith("&lt;b&gt;%&#123;y}: ")


def test_runs_on_data_sets_with_long_names_are_told_apart() -> None:
    runs = {
        at: Overlaid({"student": ([0, 1], [9, 8])}, 10, f"folder:/a/long/way/to/set-{at}/of/images") for at in (1, 2)
    }
    names = [trace["name"] for trace in overlaid_errors(runs)["data"]]
    assert len(set(names)) == 2
    assert max(map(len, names)) <= len("1: Student on ") + 30
