"""Figures of experiments from made-up reports: plotly takes them, they are plain data, and they show what they say."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from kdlab.figures.experiments import chart_figure, rows_plot, validation_curves
from kdlab.figures.theme import ROLES, Figure

LINES = {
    "kind": "lines", "title": "Errors <by> width", "x": "units", "y": "errors", "log": False,
    "series": [
        {"name": "teacher", "role": "teacher", "x": [10, 20, 40], "y": [9.0, 8.0, 7.0], "deviation": [1.0, 2.0, 0.5]},
        {"name": "a < b", "role": "student", "x": [10, 20, 40], "y": [9.0, None, float("nan")]},
        {"name": "another student", "role": "student", "x": [10, 40], "y": [3, 4]},
    ],
}  # fmt: skip
MAP = {
    "kind": "map", "title": "Errors", "x": "temperature", "y": "units", "x_values": [1, 2.5, 20],
    "y_values": [30, "all"], "z": [[1, 2, 3], [400, None, 12_345.6]],
}  # fmt: skip
CONFUSION = {
    "kind": "confusion", "title": "Alone <first>", "classes": ["cat", "dog & co"], "counts": [[90, 7], [3, 80]],
}  # fmt: skip
ROWS = [
    {"label": "student & teacher", "unit": "errors", "values": [74.0, 70.0], "mean": 72.0, "deviation": 2.8,
     "reference": {"paper": 74, "blog": 137}, "place": 0, "detail": False},
    {"label": "a share of nothing", "unit": "errors", "values": [None, 3.0], "mean": None, "deviation": None,
     "reference": {"blog": 12.5}, "place": 1, "detail": False},
]  # fmt: skip
WATCHED = {"T = 2": [(0, 90), (1, 20), (2, 10)], "T = 5": [(0, 90), (1, 30), (2, 20)]}
MANY = {f"network {at}": [(0, 90), (1, 10 + at)] for at in range(10)}

FIGURES = {
    "lines": chart_figure(LINES),
    "log": chart_figure(LINES | {"log": True}),
    "no lines": chart_figure(LINES | {"series": []}),
    "map": chart_figure(MAP),
    "confusion": chart_figure(CONFUSION),
    "difference": chart_figure(CONFUSION | {"minus": [[95, 2], [4, 79]]}),
    "confusion of many": chart_figure(
        CONFUSION | {"classes": [f"{at}" for at in range(100)], "counts": np.eye(100).tolist()}
    ),
    "rows": rows_plot(ROWS, "Errors"),
    "no rows": rows_plot([], "Errors"),
    "watched": validation_curves(WATCHED, 100, 5, "Wrong <validation> images"),
    "many watched": validation_curves(MANY, 100, 5, ""),
    "one look": validation_curves({"student": [(0, 90)]}, 100, 5, ""),
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_plotly_takes_the_figure_and_it_is_plain_json(figure: Figure) -> None:
    from plotly.graph_objects import Figure as PlotlyFigure

    PlotlyFigure(figure)  # checks the name and the value of every attribute
    assert json.loads(json.dumps(figure, allow_nan=False)) == figure


def trace(figure: Figure, name: str) -> dict[str, Any]:
    (found,) = (trace for trace in figure["data"] if trace.get("name") == name)
    return found


def test_lines_have_the_look_of_their_role_and_no_two_look_alike() -> None:
    figure = FIGURES["lines"]
    teacher, first, second = (trace(figure, name) for name in ("teacher", "a &lt; b", "another student"))
    assert teacher["line"] == {"color": ROLES["teacher"].colour, "dash": ROLES["teacher"].dash, "width": 2}
    assert first["line"]["color"] == ROLES["student"].colour != second["line"]["color"]
    assert len({one["marker"]["symbol"] for one in (teacher, first, second)}) == 3
    assert (teacher["x"], first["y"]) == ([10, 20, 40], [9, None, None])
    assert figure["layout"]["title"]["text"] == "Errors &lt;by&gt; width"


def test_a_deviation_is_a_band_around_its_line() -> None:
    (band,) = (one for one in FIGURES["lines"]["data"] if one.get("fill"))
    assert band["x"] == [10, 20, 40, 40, 20, 10]
    assert band["y"] == [10, 10, 7.5, 6.5, 6, 8]
    assert not band["showlegend"]


def test_a_band_leaves_out_what_is_not_known() -> None:
    series = [{"name": "one", "x": [1, 2, 3], "y": [1, None, 3], "deviation": [1, 1, None]}]
    (band,) = (one for one in chart_figure(LINES | {"series": series})["data"] if one.get("fill"))
    assert (band["x"], band["y"]) == ([1, 1], [2, 0])


def test_a_log_axis_is_marked_where_something_was_measured() -> None:
    axis = FIGURES["log"]["layout"]["xaxis"]
    assert (axis["type"], axis["tickvals"]) == ("log", [10, 20, 40])
    assert "type" not in FIGURES["lines"]["layout"]["xaxis"]
    series = [{"name": "one", "x": [0, *range(1, 101)], "y": [0] * 101}]
    marks = chart_figure(LINES | {"log": True, "series": series})["layout"]["xaxis"]["tickvals"]
    assert marks[0] == 1
    assert len(marks) <= 13
    assert all(later / earlier > 1.4 for earlier, later in pairwise(marks))


def test_a_map_writes_its_numbers_into_its_cells() -> None:
    (heatmap,) = FIGURES["map"]["data"]
    assert heatmap["text"] == [["1", "2", "3"], ["400", "–", "1.235e+04"]]
    assert (heatmap["x"], heatmap["y"]) == (["1", "2.5", "20"], ["30", "all"])
    axes = FIGURES["map"]["layout"]
    assert (axes["xaxis"]["title"]["text"], axes["yaxis"]["title"]["text"]) == ("temperature", "units")
    # As names, side by side: as numbers, 20 would be eight times as wide as 2.5.
    assert axes["xaxis"]["type"] == axes["yaxis"]["type"] == "category"


def test_another_kind_of_chart_is_refused() -> None:
    with pytest.raises(KeyError, match="pie"):
        chart_figure(LINES | {"kind": "pie"})


def test_rows_show_each_seed_their_mean_and_what_others_report() -> None:
    figure = FIGURES["rows"]
    assert (trace(figure, "one seed")["x"], trace(figure, "one seed")["y"]) == ([74, 70, 3], [0, 0, 1])
    assert (trace(figure, "mean")["x"], trace(figure, "mean")["y"]) == ([72], [0])
    assert (trace(figure, "paper")["x"], trace(figure, "paper")["y"]) == ([74], [0])
    assert (trace(figure, "blog")["x"], trace(figure, "blog")["y"]) == ([137, 12.5], [0, 1])
    assert len({one["marker"]["symbol"] for one in figure["data"]}) == 4
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["student &amp; teacher", "a share of nothing"]
    first, last = figure["layout"]["yaxis"]["range"]
    assert first > last  # the first row on top
    assert figure["layout"]["height"] > FIGURES["no rows"]["layout"]["height"]


def test_watched_errors_are_in_per_cent_of_the_validation_images() -> None:
    figure = validation_curves(WATCHED, 200, 5, "title")
    assert trace(figure, "T = 2")["y"] == [45, 10, 5]
    assert figure["layout"]["xaxis"]["range"] == [0, 5]
    assert figure["layout"]["yaxis"]["range"] == [0, pytest.approx(1.15 * 15)]  # without the steep beginning


def test_of_many_networks_their_mean_is_told() -> None:
    figure = FIGURES["many watched"]
    assert trace(figure, "mean of 10")["y"] == [90, 14.5]
    assert [one["name"] for one in figure["data"] if one.get("showlegend", True)] == ["mean of 10"]
    assert all("mean" not in one["name"] for one in FIGURES["watched"]["data"])


def test_a_confusion_matrix_colours_mistakes_up_to_the_most_frequent_one() -> None:
    figure = FIGURES["confusion"]
    backdrop, mistakes = figure["data"]
    assert mistakes["z"] == [[None, 7], [3, None]]
    assert mistakes["zmax"] == 7
    assert mistakes["text"] == [["90", "7"], ["3", "80"]]
    assert figure["layout"]["title"]["text"] == "Alone &lt;first&gt;"
    assert backdrop["customdata"] == [["90 images", "7 images"], ["3 images", "80 images"]]
    assert chart_figure(CONFUSION | {"most": 20})["data"][1]["zmax"] == 20


def test_a_difference_of_confusion_matrices_has_signs() -> None:
    mistakes = FIGURES["difference"]["data"][1]
    assert mistakes["text"] == [["−5", "+5"], ["−1", "+1"]]
    assert (mistakes["zmin"], mistakes["zmax"]) == (-5, 5)
