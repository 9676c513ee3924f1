"""As many figures as there are."""

from collections.abc import Sequence

from kdlab.figures.theme import Figure
from kdlab.widgets.canvas import Canvas
from kdlab.widgets.element import Group

__all__ = ["Charts"]


class Charts(Group):
    """A grid of canvases, which are kept for the figures that come next."""

    def __init__(self) -> None:
        self._canvases: list[Canvas] = []
        super().__init__("kd-charts")

    def close(self) -> None:
        """Close all canvases, also those that are kept."""
        self.children = self._canvases
        super().close()

    def show(self, figures: Sequence[Figure]) -> None:
        """Show these figures."""
        while len(self._canvases) < len(figures):
            self._canvases.append(Canvas())
        for canvas, figure in zip(self._canvases, figures, strict=False):
            canvas.figure = figure
        if len(figures) != len(self.children):
            self.children = self._canvases[: len(figures)]
        # Three matrices are read side by side.
        matrices = len(figures) > 2 and all(figure["data"][0]["type"] == "heatmap" for figure in figures[:3])
        (self.add_class if matrices else self.remove_class)("kd-thirds")
        self.hidden = not figures
