"""The pages, the question that each of them answers, and their addresses."""

from collections.abc import Sequence
from dataclasses import dataclass

from kdlab import experiments  # noqa: F401  (it fills the registry)
from kdlab.registry import EXPERIMENTS, Entry

__all__ = [
    "DISTIL",
    "EXPERIMENT_KEY",
    "INDEX",
    "RUNS",
    "TEMPERATURE",
    "PageLink",
    "experiment_page",
    "navigation",
    "pages",
]

EXPERIMENT_KEY = "experiment"  # in the address's hash: the key of the experiment that is shown


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page: `notebook`, the stem of its file; `question` that it answers; `lead`, the sentence below its title.

    `name`: its short name in the navigation; `experiments`: the keys of those that it shows, each in a tab.
    """

    notebook: str
    title: str
    question: str
    lead: str
    name: str = ""
    experiments: tuple[str, ...] = ()

    def address(self, experiment: str = "", run: str = "") -> str:
        """Return the relative address, of an experiment on it and of a run where they are named."""
        parts = {EXPERIMENT_KEY: experiment or next(iter(self.experiments), ""), "run": run}
        text = "&".join(f"{key}={value}" for key, value in parts.items() if value)
        return f"{self.notebook}.ipynb{text and '#' + text}"


DISTIL = PageLink(
    "distil",
    "Distil",
    "How does a small network learn from a large one, and what does each knob change?",
    "A small student learns from the softened predictions of a large teacher, beside an identical baseline that sees "
    "the labels alone. Press Start and turn the knobs.",
    "Distil",
)
TEMPERATURE = PageLink(
    "temperature",
    "Temperature lab",
    "What does a temperature do to the predictions of a network?",
    "What a temperature does to the predictions of a teacher: move the slider and watch its soft targets.",
    "Temperature lab",
)
INDEX = PageLink(
    "index",
    "Experiments",
    "What did the paper find, and what comes out here?",
    "Each page answers one question. The first two are to play with; the others show what came out, and run it again.",
    "Experiments",
)
RUNS = PageLink(
    "runs",
    "Your runs",
    "What came of the runs that I started, and how do they compare?",
    "Every run that was started here is kept: tick some to compare them, open one again, save it as a file.",
    "Runs",
)


def experiment_page(key: str) -> PageLink:
    """Return the page of an experiment, which it shares with those whose `title` is the same."""
    entry = EXPERIMENTS[key]
    title = _title(entry)
    together = [other for other in EXPERIMENTS.values() if _title(other) == title]
    question = next(filter(None, (other.build.question for other in together)), entry.help)
    return PageLink("experiment", title, question, question, experiments=tuple(other.key for other in together))


def pages() -> list[PageLink]:
    """Return all pages but the index, in its order."""
    return [DISTIL, TEMPERATURE, *dict.fromkeys(experiment_page(key) for key in EXPERIMENTS), RUNS]


def navigation(page: PageLink) -> Sequence[tuple[str, str, bool]]:
    """Return address and name of the pages in the head of `page`, and whether it is that page."""
    return [(link.address(), link.name, link == page) for link in (DISTIL, TEMPERATURE, INDEX, RUNS)]


def _title(entry: Entry) -> str:
    return entry.build.title or entry.label
