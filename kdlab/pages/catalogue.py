"""The pages, and the question that each of them answers."""

from dataclasses import dataclass

__all__ = ["PAGES", "PageLink"]


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page by its notebook's name; `experiments`: the keys of those it shows, the first with the key verdict."""

    page: str
    title: str
    question: str
    experiments: tuple[str, ...] = ()


PAGES = (
    PageLink("distil", "Distil", "How does a small network learn from a large one, and what does each knob change?"),
    PageLink("temperature", "Temperature lab", "What does a temperature do to the predictions of a network?"),
    PageLink(
        "paper", "The paper's MNIST result",
        "How much of a large network's skill on handwritten digits does a smaller one take over?",
        ("mnist", "early-stopping"),
    ),
    PageLink(
        "ensemble", "Ensemble",
        "Can one network do what ten do together?",
        ("ensemble",),
    ),
    PageLink(
        "transfer", "Few, missing or no labels",
        "What can a student learn from soft targets when examples, a whole class or all labels are missing?",
        ("three-percent", "missing-class", "unlabelled"),
    ),
    PageLink(
        "capacity", "Small students and temperature",
        "Which temperature suits a student, and does it depend on the student's size?",
        ("width-temperature", "high-temperature"),
    ),
    PageLink(
        "architecture", "From a convolutional network to a plain one",
        "Can a network that knows nothing of pictures learn from one that is made for them?",
        ("cnn-to-mlp",),
    ),
    PageLink(
        "speech", "Speech",
        "Does what holds for pictures hold for sounds of speech?",
        ("speech",),
    ),
    PageLink(
        "specialists", "Specialists",
        "Can small experts for the classes that are confused help a network that knows them all?",
        ("specialists",),
    ),
    PageLink("runs", "Your runs", "What came of the runs that I started, and how do they compare?"),
)  # fmt: skip
