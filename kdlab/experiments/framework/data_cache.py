"""Caches of training data: views of images, and a teacher's logits on them, which are also saved to files."""

from typing import Any

import torch

from kdlab.augmentations import Views, make_views
from kdlab.datasets import Split
from kdlab.experiments.framework.jobs import TrainJob
from kdlab.experiments.framework.weights_cache import RECIPE, WeightsCache, digest, fingerprint
from kdlab.registry import AUGMENTATIONS
from kdlab.train.device import choose_precision
from kdlab.train.teacher_logits import TeacherLogitCache

__all__ = ["ViewAndLogitCache"]

MAX_CACHED = 4  # teachers whose logits, and augmentations whose views, stay in memory


class ViewAndLogitCache:
    """Views and teacher logits by their inputs; a teacher's logits on many views take longer than a student."""

    def __init__(self, weights_cache: WeightsCache, classes: int, device: torch.device) -> None:
        self._weights_cache, self._classes, self._device = weights_cache, classes, device
        self._fingerprints: dict[int, tuple[Split, int]] = {}
        self._views: dict[tuple[int, str, str], Views] = {}
        self._teacher_logits: dict[str, TeacherLogitCache] = {}

    def fingerprint(self, split: Split) -> int:
        """Return the fingerprint of a split, computed once."""
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

    def teacher_logits(self, job: TrainJob) -> TeacherLogitCache | None:
        """Return the teacher's logits on these views, with those that are saved; None without a teacher."""
        if job.teacher is None:
            return None
        name = self.name(job)
        if name not in self._teacher_logits:
            _make_room(self._teacher_logits)
            dtype = choose_precision(job.config.precision, job.teacher.module, self._device)
            sizes = len(job.split), self._classes
            views = self.views(job.split, job.config.augmentation)
            self._teacher_logits[name] = TeacherLogitCache(job.teacher.module, views, *sizes, dtype, self._device)
            if saved := self._weights_cache.read(name):
                self._teacher_logits[name].restore(saved[0][0])
        return self._teacher_logits[name]

    def save_teacher_logits(self, job: TrainJob, teacher_logits: TeacherLogitCache) -> None:
        """Save the teacher's logits in a file; raises InputError."""
        record = {"label": f"answers for {job.label}", "known": teacher_logits.cached_count}
        self._weights_cache.write(self.name(job), [teacher_logits.state()], record)

    def count_saved(self, job: TrainJob) -> int:
        """Return how many of the teacher's logits are saved."""
        record = self._weights_cache.record(self.name(job))
        return record["known"] if record else 0

    def is_complete(self, job: TrainJob) -> bool:
        """Whether the teacher's logits on all views of this job are saved."""
        return self.count_saved(job) >= len(job.split) * make_views(job.config.augmentation, job.split.images[:1]).count

    def name(self, job: TrainJob) -> str:
        """Return the name of the file with the teacher's logits."""
        assert job.teacher is not None
        dtype = choose_precision(job.config.precision, job.teacher.module, self._device)
        teacher = [job.teacher.name, *([] if job.teacher.cache_tag is None else [job.teacher.cache_tag])]
        cache_key = [RECIPE, *teacher, self.fingerprint(job.split), job.config.augmentation, str(dtype)]
        if not (entry := AUGMENTATIONS.find(job.config.augmentation)[0]).shipped:
            cache_key.append(entry.stamp)  # another of the same name moves images otherwise
        return f"answers-{digest([*cache_key, self._device.type])}"


def _make_room(cache: dict[Any, Any]) -> None:
    while len(cache) >= MAX_CACHED:
        del cache[next(iter(cache))]
