"""What networks see, batch by batch: views of the training images, their labels, and what the teacher says of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from kdlab.augmentations import Views
from kdlab.datasets import Split
from kdlab.registry import TEACHINGS
from kdlab.train.seeding import generator
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import Answers

__all__ = ["Batch", "Source", "batches", "feed", "transfer_set"]

# Inputs, labels, and the teacher's logits where there is a teacher.
Batch = tuple[Tensor, Tensor, Tensor | None]

# Batches for which the teacher is asked at once: large products are quicker, and a run still stops when it is told to.
AHEAD = 4


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What networks learn from: `examples`, int64, of `split`, of which `views` are shown.

    `watch`: images that are only looked at, after each epoch.
    """

    split: Split
    examples: Tensor
    views: Views
    watch: Split | None = None


def feed(
    teams: Sequence[Sequence[Source]], spec: Spec, batch_size: int, phase: str, dtype: torch.dtype,
    answers: Answers | None, begin: int = 0,
) -> Iterator[list[Batch]]:  # fmt: skip
    """Yield without end a batch for each team, `teams` being the sources of their members, from epoch `begin` on.

    Members of one source share its batch; of several, each has its own: inputs (members, batch, …), labels (members,
    batch).
    """
    streams = {
        source: batches(source.split, source.examples, source.views, spec, batch_size, phase, dtype, answers, begin)
        for source in dict.fromkeys(source for team in teams for source in team)
    }
    for found in zip(*streams.values(), strict=True):
        now = dict(zip(streams, found, strict=True))
        yield [_side_by_side([now[source] for source in team]) for team in teams]


def _side_by_side(found: Sequence[Batch]) -> Batch:
    if all(batch is found[0] for batch in found):
        return found[0]
    inputs, labels, _ = zip(*found, strict=True)
    return torch.stack(inputs), torch.stack(labels), None


def batches(
    split: Split, examples: Tensor, views: Views, spec: Spec, batch_size: int, phase: str, dtype: torch.dtype,
    answers: Answers | None, begin: int = 0,
) -> Iterator[Batch]:  # fmt: skip
    """Yield without end the inputs of a batch, of type `dtype`, its labels and the teacher's logits, from `begin` on.

    `examples`, int64, are shuffled anew for each epoch, whose last, partial batch is left for another shuffle. In as
    many epochs as there are views of an image each of them is shown once, but for what those batches leave out. Of the
    epochs before `begin` only the draws are made, and the teacher is asked as it was then what it has not kept: in
    other batches its answers would be rounded otherwise.
    """
    device, teach = examples.device, TEACHINGS.find(spec.teaching)[0].build
    draw, draw_other = (generator(spec.shuffle_seed, phase, purpose) for purpose in ("shuffle", "independent views"))
    first_view = torch.randint(views.count, (len(examples),), generator=generator(spec.shuffle_seed, phase, "views"))
    whole = len(examples) // batch_size * batch_size
    for epoch in count():
        order = torch.randperm(len(examples), generator=draw)[:whole]
        other = torch.randint(views.count, (whole,), generator=draw_other).to(device)
        shown = ((first_view[order] + epoch) % views.count).to(device)
        index, asked = examples[order.to(device)], teach(shown, other)
        for start in range(0, whole, batch_size):
            if answers and start % (AHEAD * batch_size) == 0:
                ahead = slice(start, start + AHEAD * batch_size)
                answers.prepare(index[ahead], asked[ahead])
            if epoch < begin:
                continue
            now = slice(start, start + batch_size)
            inputs, labels = views.inputs(index[now], shown[now], dtype), split.labels[index[now]]
            yield inputs, labels, answers(index[now], asked[now]) if answers else None


def transfer_set(split: Split, size: int, seed: int) -> Tensor:
    """Return the indices of `size` images (0: all), chosen by the seed; a smaller set is part of a larger one."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return order[: size or len(split)].to(split.labels.device)
