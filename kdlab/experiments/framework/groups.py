"""Examples that belong together, as the frames of one recording do: drawn together, judged together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdlab.lazy import torch
from kdlab.registry import InputError, quote

if TYPE_CHECKING:
    from kdlab.datasets import Split

__all__ = ["by_recording", "draw_recordings", "wrong_recordings"]

Groups = NDArray[np.int64] | None  # the recording of each example; None: each example is one by itself


def draw_recordings(split: Split, share: float, seed: int, classes: Sequence[str] = ()) -> torch.Tensor:
    """Return the examples, int64, of `share` per cent of a split's recordings, as many of each class as can be.

    There is at least one recording of each class, and one of each is left out: a class with fewer than two raises
    InputError, which calls it by its name among `classes`.
    """
    from sklearn.model_selection import train_test_split

    labels = split.labels.cpu().numpy()
    groups = np.arange(len(labels)) if split.groups is None else split.groups.cpu().numpy()
    recordings, first = np.unique(groups, return_index=True)
    present = np.unique(labels)
    for label, count in zip(present, np.bincount(labels[first], minlength=present.max() + 1)[present], strict=True):
        if count < 2:
            owner, unit = classes[label] if classes else int(label), "example" if split.groups is None else "recording"
            raise InputError(
                f"Of the class {quote(owner)} there {'is' if count == 1 else 'are'} {count} training "
                f"{unit}{'' if count == 1 else 's'}, but some of each class are drawn and some left out: give it two "
                f"{unit}s or more."
            )
    min_size = len(present)
    size = int(np.clip(round(len(recordings) * share / 100), min_size, len(recordings) - min_size))
    drawn, _ = train_test_split(recordings, train_size=size, stratify=labels[first], random_state=seed)
    return torch.from_numpy(np.flatnonzero(np.isin(groups, drawn))).to(split.labels.device)


def by_recording(values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """Return the sum of each recording, (seeds, recordings), from a value for each example, (seeds, examples)."""
    owner = _owners(values.shape[1], groups)
    return np.stack([np.bincount(owner, row) for row in values])


def wrong_recordings(logits: NDArray[Any], labels: NDArray[np.int64], groups: Groups) -> NDArray[np.float64]:
    """Return 1 where a recording is given a wrong class, float64 (recordings,).

    Its class is the one with the largest sum over its examples of the log-probability, or, which comes to the same, of
    the logit: all logits of an example differ from its log-probabilities by one number. `logits` (examples, classes).
    """
    owner = _owners(len(labels), groups)
    sums = np.stack([np.bincount(owner, column) for column in logits.T.astype(np.float64)], axis=1)
    _, first = np.unique(owner, return_index=True)
    wrong: NDArray[np.float64] = (sums.argmax(1) != labels[first]).astype(np.float64)
    return wrong


def _owners(count: int, groups: Groups) -> NDArray[np.int64]:
    """Recordings numbered from 0 on, int64 (examples,)."""
    return np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
