"""What pupils learn from: views of images and a teacher's answers to them, made once, and the answers kept."""

from typing import Any

import torch

from kdlab.augmentations import Views, make_views
from kdlab.datasets import Split
from kdlab.experiments.framework.jobs import Piece
from kdlab.experiments.framework.weights_cache import RECIPE, Store, digest, fingerprint
from kdlab.registry import AUGMENTATIONS
from kdlab.train.device import choose_precision
from kdlab.train.teacher_logits import Answers

__all__ = ["Materials"]

MOST_KEPT = 4  # teachers whose answers, and augmentations whose views, stay in memory


class Materials:
    """Views and answers by what they are made of; the answers to many views take longer than a student."""

    def __init__(self, store: Store, classes: int, place: torch.device) -> None:
        self._store, self._classes, self._place = store, classes, place
        self._fingerprints: dict[int, tuple[Split, int]] = {}
        self._views: dict[tuple[int, str, str], Views] = {}
        self._answers: dict[str, Answers] = {}

    def fingerprint(self, split: Split) -> int:
        """Return a number that stands for a split, worked out once."""
        if id(split) not in self._fingerprints:
            _make_room(self._fingerprints)
            self._fingerprints[id(split)] = split, fingerprint(split)
        return self._fingerprints[id(split)][1]

    def views(self, split: Split, augmentation: str) -> Views:
        """Return the views of a split's images."""
        key = self.fingerprint(split), augmentation, AUGMENTATIONS.find(augmentation)[0].stamp
        if key not in self._views:
            _make_room(self._views)
            self._views[key] = make_views(augmentation, split.images)
        return self._views[key]

    def answers(self, piece: Piece) -> Answers | None:
        """Return the guide's answers to these views, as far as they were kept; None where there is no guide."""
        if piece.guide is None:
            return None
        name = self.name(piece)
        if name not in self._answers:
            _make_room(self._answers)
            dtype = choose_precision(piece.course.precision, piece.guide.module, self._place)
            sizes = len(piece.split), self._classes
            views = self.views(piece.split, piece.course.augmentation)
            self._answers[name] = Answers(piece.guide.module, views, *sizes, dtype, self._place)
            if kept := self._store.read(name):
                self._answers[name].restore(kept[0][0])
        return self._answers[name]

    def keep_answers(self, piece: Piece, answers: Answers) -> None:
        """Keep what the guide answered in a file; raises InputError."""
        record = {"label": f"answers for {piece.label}", "known": answers.known}
        self._store.write(self.name(piece), [answers.state()], record)

    def kept_answers(self, piece: Piece) -> int:
        """Return how many answers of the guide were kept."""
        record = self._store.record(self.name(piece))
        return record["known"] if record else 0

    def are_known(self, piece: Piece) -> bool:
        """Whether all that the guide could be asked in this piece was kept."""
        return (
            self.kept_answers(piece)
            >= len(piece.split) * make_views(piece.course.augmentation, piece.split.images[:1]).count
        )

    def name(self, piece: Piece) -> str:
        """Return the name of the file that keeps the guide's answers."""
        assert piece.guide is not None
        dtype = choose_precision(piece.course.precision, piece.guide.module, self._place)
        guide = [piece.guide.name, *([] if piece.guide.mark is None else [piece.guide.mark])]
        about = [RECIPE, *guide, self.fingerprint(piece.split), piece.course.augmentation, str(dtype)]
        if not (entry := AUGMENTATIONS.find(piece.course.augmentation)[0]).shipped:
            about.append(entry.stamp)  # another of the same name moves images otherwise
        return f"answers-{digest([*about, self._place.type])}"


def _make_room(kept: dict[Any, Any]) -> None:
    while len(kept) >= MOST_KEPT:
        del kept[next(iter(kept))]
