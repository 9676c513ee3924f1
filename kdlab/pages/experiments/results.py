"""What the page of an experiment shows of a result, and of the run that makes one."""

from collections.abc import Sequence

from traitlets import link

from kdlab.experiments.framework.bundled import Result
from kdlab.experiments.framework.record import ExperimentRecord
from kdlab.pages.experiments import view
from kdlab.pages.experiments.explore import Explore
from kdlab.pages.experiments.panel import Panel
from kdlab.pages.experiments.state import ExperimentState
from kdlab.pages.experiments.widgets import Findings, JobList
from kdlab.registry import Entry
from kdlab.widgets.canvas import Canvas, Charts
from kdlab.widgets.element import Group
from kdlab.widgets.facts import Facts
from kdlab.widgets.segments import Segments

__all__ = ["ExperimentResults"]


class ExperimentResults(Group):
    """Shows the shipped result or that of a run, its figures and panels, and the training that goes on."""

    def __init__(self, entry: Entry, state: ExperimentState, panels: Sequence[type[Panel]]) -> None:
        self._drawn: object = None  # the results that are on the page
        self.explore = Explore(entry, state)
        self.panels = [*(kind(entry, state) for kind in panels), self.explore]
        introduction = Facts(content=view.introduction(entry))
        introduction.add_class("kd-introduction")
        self.source = Segments("Result", [("run", "This run"), ("shipped", "As shipped")], "shipped")
        self.findings, self.charts, self.facts = Findings(), Charts(), Facts()
        self.facts.add_class("kd-provenance")
        self.curve, self.jobs = Canvas(), JobList()
        self.training = Group("kd-training", self.curve, self.jobs)
        above = [panel for panel in self.panels if panel.above]
        below = [panel for panel in self.panels if not panel.above and panel is not self.explore]
        before = [introduction, self.training, self.source, *above, self.findings, self.charts]
        super().__init__("kd-results", *before, self.explore, *below, self.facts)
        link((state, "shown"), (self.source, "value"))

    def draw(self, result: Result | None, shipped: Result | None, live: ExperimentRecord, state: str) -> bool:
        """Draw `result`, beside that of the run `live` in `state`; return whether it is another one than before."""
        self.training.hidden = state == "idle"
        (self.training.add_class if live.result else self.training.remove_class)("kd-finished")
        self.jobs.content = view.jobs(live, state)
        self.curve.figure = view.watched(live)
        # "Not run yet" would be wrong while the first run goes on.
        self.findings.hidden = result is None and state != "idle"
        self.source.hidden = not (live.result and shipped)
        if (result, live.result, live.preview) == self._drawn:
            return False
        self._drawn = result, live.result, live.preview
        of_run = result is not None and result is live.result
        self.findings.content = view.findings(result, of_run)
        self.charts.show(view.figures(result))
        self.facts.content = view.facts(result)
        for panel in self.panels:
            panel.show(result, live)
        return True
