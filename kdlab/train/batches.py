"""Training batches: views of the training images, their labels, and the teacher's logits of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from kdlab.augmentations import Views
from kdlab.datasets import Split
from kdlab.registry import TEACHER_VIEWS
from kdlab.train.seeding import generator
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import TeacherLogitCache

__all__ = ["Batch", "Source", "batches", "group_batches", "transfer_set"]

# Inputs, labels, and the teacher's logits where there is a teacher.
Batch = tuple[Tensor, Tensor, Tensor | None]

# Batches for which teacher logits are computed at once: large products are faster, and a run still stops in time.
PREFETCH_BATCHES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Training data of a network: `examples`, int64 indices in `split`, shown as `views`.

    `eval_split`: images for evaluation after each epoch.
    """

    split: Split
    examples: Tensor
    views: Views
    eval_split: Split | None = None


def group_batches(
    groups: Sequence[Sequence[Source]], spec: Spec, batch_size: int, phase: str, dtype: torch.dtype,
    teacher_logits: TeacherLogitCache | None, first_epoch: int = 0,
) -> Iterator[list[Batch]]:  # fmt: skip
    """Yield without end a batch for each of the `groups` (the sources of their members), from `first_epoch` on.

    Members of one source share its batch; with several sources each member has its own: inputs (members, batch, …),
    labels (members, batch).
    """
    streams = {
        source: batches(
            source.split, source.examples, source.views, spec, batch_size, phase, dtype, teacher_logits, first_epoch
        )
        for source in dict.fromkeys(source for group in groups for source in group)
    }
    for current in zip(*streams.values(), strict=True):
        by_source = dict(zip(streams, current, strict=True))
        yield [_stack_batches([by_source[source] for source in group]) for group in groups]


def _stack_batches(member_batches: Sequence[Batch]) -> Batch:
    if all(batch is member_batches[0] for batch in member_batches):
        return member_batches[0]
    inputs, labels, _ = zip(*member_batches, strict=True)
    return torch.stack(inputs), torch.stack(labels), None


def batches(
    split: Split, examples: Tensor, views: Views, spec: Spec, batch_size: int, phase: str, dtype: torch.dtype,
    teacher_logits: TeacherLogitCache | None, first_epoch: int = 0,
) -> Iterator[Batch]:  # fmt: skip
    """Yield without end a batch's inputs of type `dtype`, its labels and the teacher's logits, from `first_epoch` on.

    `examples`, int64, are shuffled for each epoch; the last, partial batch of an epoch is dropped. In as many epochs as
    an image has views, each view is shown once, except for dropped batches. For epochs before `first_epoch` only the
    random draws are made, and missing teacher logits are computed in the original batches: in other batches they would
    be rounded differently.
    """
    device, choose_teacher_views = examples.device, TEACHER_VIEWS.find(spec.teaching)[0].build
    order_generator, view_generator = (
        generator(spec.shuffle_seed, phase, purpose) for purpose in ("shuffle", "independent views")
    )
    first_view = torch.randint(views.count, (len(examples),), generator=generator(spec.shuffle_seed, phase, "views"))
    epoch_size = len(examples) // batch_size * batch_size
    for epoch in count():
        order = torch.randperm(len(examples), generator=order_generator)[:epoch_size]
        independent_views = torch.randint(views.count, (epoch_size,), generator=view_generator).to(device)
        shown_views = ((first_view[order] + epoch) % views.count).to(device)
        index, teacher_views = examples[order.to(device)], choose_teacher_views(shown_views, independent_views)
        for start in range(0, epoch_size, batch_size):
            if teacher_logits and start % (PREFETCH_BATCHES * batch_size) == 0:
                prefetched = slice(start, start + PREFETCH_BATCHES * batch_size)
                teacher_logits.prepare(index[prefetched], teacher_views[prefetched])
            if epoch < first_epoch:
                continue
            rows = slice(start, start + batch_size)
            inputs, labels = views.inputs(index[rows], shown_views[rows], dtype), split.labels[index[rows]]
            yield inputs, labels, teacher_logits(index[rows], teacher_views[rows]) if teacher_logits else None


def transfer_set(split: Split, size: int, seed: int) -> Tensor:
    """Return the indices of `size` images (0: all), chosen by the seed; a smaller set is part of a larger one."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return order[: size or len(split)].to(split.labels.device)
