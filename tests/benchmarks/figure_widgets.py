"""The temperature lab's views as plotly `FigureWidget`s whose numbers the kernel computes: what the lab is measured by.

Built to be quick: five figures instead of eleven, curves over T computed once, and on each change only what depends
on T is computed and sent, one message a figure. Each figure's title says the T that it shows.
"""

import numpy as np
import plotly.graph_objects as go
from ipywidgets import FloatLogSlider, VBox
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from kdlab.io.predictions import Predictions
from kdlab.metrics import softened as lab
from kdlab.metrics.classification import telling_example

__all__ = ["FigureWidgets"]

LOWEST, HIGHEST, STEPS = 0.5, 100.0, 400  # as the lab's own slider
TEMPERATURES = np.geomspace(LOWEST, HIGHEST, 41)
MOST_ROWS, MOST_LABELLED = 16, 12
COLOURS = {"teacher": "#0072b2", "student": "#d55e00", "example": "#5b6775"}
DIVERGING = [[0.0, "#6a3d9a"], [0.5, "#ffffff"], [1.0, "#e69f00"]]
Curves = dict[str, np.ndarray]  # values at TEMPERATURES, by "role, what"


class FigureWidgets:
    """The slider and the figures on one set of predictions; `page` holds them all."""

    def __init__(self, predictions: Predictions) -> None:
        self._classes, self._labels = predictions.classes, predictions.labels
        self._logits = {role: predictions.logits[role].astype(float) for role in ("teacher", "student")}
        at = telling_example(predictions.logits, self._labels)
        self._example, self._truth = {role: logits[at] for role, logits in self._logits.items()}, int(self._labels[at])
        self._rows = np.sort(np.argsort(-self._example["teacher"])[:MOST_ROWS])
        self._bars, self._gradient = self._make_bars(), self._make_gradient()
        self._matrices = self._make_matrices()
        self._said = _Curves(self._measure(_said), ("entropy, bits", "KL, bits", "agreement"), ())
        self._pulls = _Curves(self._measure(self._pull), ("angle, °", "relative error", "size"), (2, 3))
        slider = FloatLogSlider(
            value=4.0, min=np.log10(LOWEST), max=np.log10(HIGHEST), step=np.log10(HIGHEST / LOWEST) / STEPS,
            description="T", layout={"width": "600px"},
        )  # fmt: skip
        slider.observe(lambda change: self._show(change["new"]), "value")
        self._show(slider.value)
        figures = (self._bars, self._matrices, self._said.figure, self._gradient, self._pulls.figure)
        self.page = VBox([slider, *figures])

    def _show(self, temperature: float) -> None:
        title = f"T = {temperature:.3g}"
        shares = {role: lab.soften(logits, temperature)[self._rows] for role, logits in self._example.items()}
        with self._bars.batch_update():
            for trace, values in zip(self._bars.data, shares.values(), strict=False):  # those at T = 1 stand still
                trace.y = values
            self._bars.layout.title.text = title
        teacher, student = (lab.soft_confusion(logits, self._labels, temperature) for logits in self._logits.values())
        with self._matrices.batch_update():
            for trace, values in zip(self._matrices.data, (teacher, student, student - teacher), strict=True):
                trace.z = values
            self._matrices.layout.title.text = title
        v, z = self._example.values()
        pulls = lab.soft_gradient(z, v, temperature), lab.matching_gradient(z, v, temperature)
        with self._gradient.batch_update():
            for trace, values in zip(self._gradient.data, pulls, strict=True):
                trace.y = values[self._rows]
            most = 1.1 * max(np.abs(pull).max() for pull in pulls)
            self._gradient.layout.update(title_text=title, yaxis_range=[-most, most])
        self._said.mark(temperature, title)
        self._pulls.mark(temperature, title)

    def _names(self) -> list[str]:
        return [self._classes[row] for row in self._rows]

    def _make_bars(self) -> go.FigureWidget:
        names, plain = self._names(), {role: lab.soften(logits, 1.0) for role, logits in self._example.items()}
        bars = [go.Bar(name=role, x=names, marker_color=COLOURS[role]) for role in plain]
        look = {"mode": "markers", "marker_symbol": "line-ew-open"}
        ticks = [
            go.Scatter(name=f"{role}, T = 1", x=names, y=shares[self._rows], **look) for role, shares in plain.items()
        ]
        return _widget(go.Figure([*bars, *ticks]), 300, xaxis_type="category", yaxis_range=[0, 1])

    def _make_gradient(self) -> go.FigureWidget:
        names = self._names()
        bars = [go.Bar(name="(q − p)/T, exact", x=names, marker_color=COLOURS["student"])]
        bars += [go.Bar(name="(z − v)/(N T²), the limit", x=names, marker_color=COLOURS["example"])]
        return _widget(go.Figure(bars), 300, xaxis_type="category")

    def _make_matrices(self) -> go.FigureWidget:
        figure = make_subplots(1, 3, subplot_titles=("Teacher", "Student", "Student − teacher"))
        most = 2 / len(self._classes)  # what the lab's colours end at
        shares = {"colorscale": "Cividis", "reversescale": True, "zmin": 0, "zmax": most}
        differences = {"colorscale": DIVERGING, "zmin": -most / 2, "zmax": most / 2}
        for column, (look, sign) in enumerate([(shares, ""), (shares, ""), (differences, "+")], 1):
            labelled = {"texttemplate": f"%{{z:{sign}.1%}}"} if len(self._classes) <= MOST_LABELLED else {}
            figure.add_heatmap(row=1, col=column, showscale=False, xgap=1, ygap=1, textfont_size=9, **look, **labelled)
        figure.update_yaxes(autorange="reversed")
        return _widget(figure, 430)

    def _measure(self, measure) -> list[Curves]:
        """Return the curves of each chart: the mean over all examples, and those of the shown one."""
        everything = [measure(*self._logits.values(), self._labels, t) for t in TEMPERATURES]
        shown = [measure(*(logits[None] for logits in self._example.values()), [self._truth], t) for t in TEMPERATURES]
        charts = []
        for chart in range(3):
            names = everything[0][chart]
            mean = {name: np.array([at[chart][name] for at in everything]) for name in names}
            own = {f"{name}, this example": np.array([at[chart][name] for at in shown]) for name in list(names)[:1]}
            charts.append(mean | own)
        return charts

    @staticmethod
    def _pull(v: np.ndarray, z: np.ndarray, labels: ArrayLike, temperature: float) -> list[dict[str, float]]:
        exact, limit = lab.soft_gradient(z, v, temperature), lab.matching_gradient(z, v, temperature)
        soft, hard = (
            np.linalg.norm(gradient, axis=1).mean() for gradient in (exact, lab.hard_gradient(z, np.asarray(labels)))
        )
        error = np.linalg.norm(exact - limit, axis=1).mean() / soft
        sizes = {"soft": soft, "soft × T²": soft * temperature**2, "hard": hard}
        return [{"angle": np.nanmean(lab.angle(exact, limit))}, {"error": error}, sizes]


def _said(v: np.ndarray, z: np.ndarray, _: ArrayLike, temperature: float) -> list[dict[str, float]]:
    entropies = {"teacher": lab.entropy(v, temperature).mean(), "student": lab.entropy(z, temperature).mean()}
    agreement = {"overlap": lab.overlap(v, z, temperature).mean(), "same answer": lab.agreement(v, z).mean()}
    return [entropies, {"student": lab.divergence(v, z, temperature).mean()}, agreement]


class _Curves:
    """Three charts over T in one figure, each with a line and dots at the current T."""

    def __init__(self, charts: list[Curves], titles: tuple[str, ...], logarithmic: tuple[int, ...]) -> None:
        self._charts = charts
        figure = make_subplots(1, 3, subplot_titles=titles)
        for column, curves in enumerate(charts, 1):
            for name, values in curves.items():
                figure.add_scatter(row=1, col=column, name=name, x=TEMPERATURES, y=values, mode="lines")
            every = np.concatenate(list(curves.values()))
            if column in logarithmic:
                low, high = np.log10(every[every > 0].min()), np.log10(every.max())
                figure.update_yaxes(row=1, col=column, type="log", range=[low, high])
            else:
                figure.update_yaxes(row=1, col=column, range=[0, 1.02 * every.max()])
            ends = [every[every > 0].min(), every.max()]
            figure.add_scatter(row=1, col=column, y=ends, mode="lines", line={"color": "#1d2733", "dash": "dot"})
            figure.add_scatter(row=1, col=column, mode="markers", marker_color="#1d2733")
        figure.update_xaxes(type="log", range=[np.log10(LOWEST), np.log10(HIGHEST)])
        self.figure = _widget(figure.update_layout(showlegend=False), 320)

    def mark(self, temperature: float, title: str) -> None:
        traces = iter(self.figure.data)
        with self.figure.batch_update():
            for curves in self._charts:
                for _ in curves:
                    next(traces)
                line, dots = next(traces), next(traces)
                line.x = [temperature, temperature]
                dots.x = [temperature] * len(curves)
                dots.y = [np.interp(np.log(temperature), np.log(TEMPERATURES), values) for values in curves.values()]
            self.figure.layout.title.text = title


def _widget(figure: go.Figure, height: int, **layout: object) -> go.FigureWidget:
    margin = {"l": 50, "r": 20, "t": 60, "b": 40}
    figure.update_layout(width=1200, height=height, template="none", margin=margin, title_text="T", **layout)
    return go.FigureWidget(figure)
