"""Figures from made-up numbers: plotly takes them, they are plain data, and they show what they say."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kdlab.figures.confusion import confusion_difference, confusion_heatmap
from kdlab.figures.curves import Drag, error_curves, loss_curves, merge_marks
from kdlab.figures.theme import ROLES, Figure, base_layout

MARKS = [(1.0, {"T": 4.0}), (3.0, {"soft": 0.5, "× T²": False})]
LOSSES = {
    ("teacher", "hard"): ([0.5, 1.0], [1.0, 0.5]),
    ("student", "soft"): ([0.5, 1.0], [0.2, 0.1]),
    ("student", "hard"): ([0.5, 1.0], [2.0, 1.0]),
    ("baseline", "hard"): ([0.5, 1.0], [2.0, 1.5]),
}
ERRORS = {
    "teacher": ([0.0, 1.0, 2.0], [324, 20, 10]),
    "baseline": ([0.0, 1.0], [324, 40]),
    "student": ([0.0], [324]),
}


def draw_counts(classes: int = 4, seed: int = 0) -> NDArray[np.int64]:
    """A confusion matrix with many right answers and some empty cells."""
    draw = np.random.default_rng(seed)
    return draw.integers(0, 3, (classes, classes)) + 90 * np.eye(classes, dtype=np.int64)


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(classes))


FIGURES = {
    "losses": loss_curves(LOSSES, MARKS, 5),
    "no losses": loss_curves({}, [], 5),
    "many losses": loss_curves({("student", "soft"): (list(range(5_000)), [0.1] * 5_000)}, MARKS, 5_000),
    "errors": error_curves(ERRORS, 360, "images", MARKS, 5, {"teacher"}),
    "no errors": error_curves({}, 360, "images", [], 5, set()),
    "confusion": confusion_heatmap(draw_counts(), names(4), "Teacher", 3),
    "no mistakes": confusion_heatmap(90 * np.eye(4, dtype=np.int64), names(4), "Teacher", 0),
    "100 classes": confusion_heatmap(draw_counts(100), names(100), "Teacher", 3),
    "difference": confusion_difference(draw_counts(), draw_counts(seed=1), names(4), "Student − baseline"),
    "no difference": confusion_difference(draw_counts(), draw_counts(), names(4), "Student − baseline"),
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_plotly_takes_the_figure_and_it_is_plain_json(figure: Figure) -> None:
    from plotly.graph_objects import Figure as PlotlyFigure

    PlotlyFigure(figure)  # checks the name and the value of every attribute
    assert json.loads(json.dumps(figure, allow_nan=False)) == figure


def test_plotly_would_refuse_a_wrong_figure() -> None:
    from plotly.graph_objects import Figure as PlotlyFigure

    with pytest.raises(ValueError, match="zmim"):
        PlotlyFigure({"data": [{"type": "heatmap", "zmim": 0}]})


def trace(figure: Figure, name: str) -> dict[str, Any]:
    (found,) = (trace for trace in figure["data"] if trace["name"] == name)
    return found


# --- the look ---------------------------------------------------------------------------------------------------------


def test_roles_differ_in_more_than_colour() -> None:
    for look in ("label", "colour", "dash", "symbol"):
        assert len({getattr(role, look) for role in ROLES.values()}) == len(ROLES)


def test_a_figures_own_layout_wins() -> None:
    layout = base_layout("Title", showlegend=True)
    assert (layout["title"]["text"], layout["showlegend"]) == ("Title", True)
    assert layout["uirevision"] == "keep"


# --- curves -----------------------------------------------------------------------------------------------------------


def test_loss_curves_draw_each_part_in_its_networks_look() -> None:
    figure = FIGURES["losses"]
    assert [one["name"] for one in figure["data"]] == [
        "Teacher",  # a network with one part needs no more of a name
        "Student, soft",
        "Student, hard",
        "Baseline",
    ]
    soft, hard = trace(figure, "Student, soft"), trace(figure, "Student, hard")
    assert (soft["x"], soft["y"]) == ([0.5, 1.0], [0.2, 0.1])
    assert soft["line"]["color"] == hard["line"]["color"] == ROLES["student"].colour
    assert soft["line"]["dash"] == ROLES["student"].dash != trace(figure, "Baseline")["line"]["dash"]
    assert soft["marker"]["symbol"] != hard["marker"]["symbol"]
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert figure["layout"]["xaxis"]["range"] == [0, 5]


@pytest.mark.parametrize("points", [1, 299, 300, 301, 600, 601, 3_000, 12_345])
def test_thinning_keeps_the_mean_the_ends_and_at_most_300_points(points: int) -> None:
    x = [step / 10 for step in range(1, points + 1)]
    y = (2 + np.sin(np.arange(points))).tolist()
    thin = trace(loss_curves({("student", "soft"): (x, y)}, [], x[-1]), "Student")
    assert len(thin["x"]) == len(thin["y"]) <= 300
    assert len(thin["x"]) == points if points <= 300 else len(thin["x"]) > 150
    assert thin["x"] == sorted(thin["x"])
    assert thin["x"][-1] == pytest.approx(x[-1])
    share = np.diff([0.0, *thin["x"]])  # every point stands for the steps since the one before it
    assert np.average(thin["y"], weights=share) == pytest.approx(np.mean(y), rel=1e-3)


def test_thinning_averages_and_does_not_pick() -> None:
    y = [1.0, 3.0] * 300
    thin = trace(loss_curves({("student", "soft"): (list(range(600)), y)}, [], 600), "Student")
    assert set(thin["y"]) == {2.0}


def test_errors_are_picked_and_not_averaged_and_the_last_one_stays() -> None:
    errors = [9, 1] * 500 + [4]
    figure = error_curves({"teacher": (list(range(1_001)), errors)}, 10, "images", [], 1_000, {"teacher"})
    shown = trace(figure, "Teacher")
    assert len(shown["x"]) <= 300
    assert all(rate == 10 * errors[int(epoch)] for epoch, rate in zip(shown["x"], shown["y"], strict=True))
    assert (shown["x"][-1], shown["y"][-1]) == (1_000, 40)
    assert trace(figure, "Teacher, final")["y"] == [40, 40]


def test_error_curves_are_in_per_cent_of_the_examples() -> None:
    figure = FIGURES["errors"]
    teacher = trace(figure, "Teacher")
    assert (teacher["x"], teacher["y"]) == ([0, 1, 2], [90, pytest.approx(5.556), pytest.approx(2.778)])
    assert figure["layout"]["yaxis"]["range"][0] == 0
    assert figure["layout"]["yaxis"]["range"][1] > 90


def test_only_a_finished_network_is_continued_as_a_level_line() -> None:
    figure = FIGURES["errors"]
    assert [one["name"] for one in figure["data"]] == ["Teacher", "Teacher, final", "Baseline", "Student"]
    final = trace(figure, "Teacher, final")
    assert final["x"] == [0, 5]
    assert final["y"] == [pytest.approx(2.778)] * 2


def test_a_turned_knob_is_marked_with_its_value() -> None:
    for figure in (FIGURES["losses"], FIGURES["errors"]):
        layout = figure["layout"]
        assert [shape["x0"] for shape in layout["shapes"]] == [1.0, 3.0]
        assert [note["text"] for note in layout["annotations"]] == ["T 4", "soft 0.5, × T² 0"]


def test_turns_that_follow_one_another_are_one_drag_with_the_last_values() -> None:
    turns = [(1.0, {"a": 1.0}), (1.4, {"a": 2.0}), (1.8, {"b": 5.0}), (2.5, {"a": 3.0}), (9.0, {"a": 4.0})]
    assert merge_marks(turns, 0.5) == [
        Drag(1.0, 1.8, {"a": 2.0, "b": 5.0}), Drag(2.5, 2.5, {"a": 3.0}), Drag(9.0, 9.0, {"a": 4.0}),
    ]  # fmt: skip
    assert turns[0] == (1.0, {"a": 1.0})
    assert merge_marks([], 0.5) == []


def test_a_drag_is_drawn_from_its_beginning_to_its_end() -> None:
    turns = [(1.0, {"T": 1.0}), (1.1, {"T": 2.0})]
    layout = loss_curves({}, turns, 10)["layout"]
    assert [(shape["x0"], shape["x1"]) for shape in layout["shapes"]] == [(1.0, 1.1)]
    assert [note["text"] for note in layout["annotations"]] == ["T 2"]


# --- confusion --------------------------------------------------------------------------------------------------------


def test_a_confusion_matrix_colours_mistakes_and_only_writes_right_answers() -> None:
    counts = np.array([[90, 2, 0], [0, 80, 1], [0, 0, 0]])
    figure = confusion_heatmap(counts, names(3), "Teacher", 5)
    coloured = figure["data"][-1]
    assert coloured["z"] == [[None, 2, None], [None, None, 1], [None, None, None]]
    assert coloured["text"] == [["90", "2", ""], ["", "80", "1"], ["", "", ""]]
    assert coloured["customdata"][0] == ["90 images", "2 images", "0 images"]
    assert coloured["customdata"][1] == ["0 images", "80 images", "1 image"]
    assert coloured["hovertemplate"].startswith("%{hovertext}%{customdata}<extra>")
    assert (coloured["zmin"], coloured["zmax"]) == (0, 5)
    assert counts[0, 0] == 90  # the caller's matrix is left alone
    assert np.array_equal(figure["data"][0]["z"], np.eye(3))
    axes = figure["layout"]
    assert (axes["yaxis"]["title"]["text"], axes["xaxis"]["title"]["text"]) == ("true", "predicted")
    assert axes["yaxis"]["autorange"] == "reversed"  # the first class on top


def test_of_many_classes_the_hover_text_has_no_singular() -> None:
    for one in confusion_heatmap(draw_counts(100), names(100), "Teacher", 3, "frames")["data"]:
        assert one["hovertemplate"].endswith("<br>frames: %{customdata:,d}<extra></extra>")
        assert all(type(count) is int for count in one["customdata"][0])


def test_a_difference_is_first_minus_second_and_changes_sign_with_their_order() -> None:
    first, second = draw_counts(), draw_counts(seed=1)
    there, back = (confusion_difference(*pair, names(4), "")["data"][-1] for pair in ((first, second), (second, first)))
    assert there["customdata"] == (first - second).tolist()
    for row, mirrored, texts in zip(there["z"], back["z"], there["text"], strict=True):
        assert [value is None for value in row] == [value is None for value in mirrored]
        assert [value and -value for value in row] == mirrored
        for value, text in zip(row, texts, strict=True):
            assert value is None or text == (f"+{value:g}" if value > 0 else f"−{-value:g}")
    assert any(value for row in there["z"] for value in row)
    # On the diagonal more is better and elsewhere worse, so one colour cannot stand for both.
    assert all(there["z"][index][index] is None for index in range(4))
    mistakes = (first - second) * (1 - np.eye(4, dtype=int))
    assert there["zmin"] == -there["zmax"] == -np.abs(mistakes).max()


@pytest.mark.parametrize(("classes", "labelled"), [(12, True), (13, False), (100, False)])
def test_many_classes_have_no_text(classes: int, labelled: bool) -> None:
    counts = draw_counts(classes)
    for figure in (
        confusion_heatmap(counts, names(classes), "", 3),
        confusion_difference(counts, counts.T, names(classes), ""),
    ):
        assert all(("text" in one) == ("texttemplate" in one) == labelled for one in figure["data"])
        assert all(figure["layout"][axis]["showticklabels"] is labelled for axis in ("xaxis", "yaxis"))
        assert len(figure["layout"]["xaxis"]["ticktext"]) == classes  # the pointer still tells the names
