"""The teacher's logits of the training images and their views: worked out when first asked for, then kept."""

import torch
from torch import Tensor, nn

from kdlab.augmentations import Views
from kdlab.registry import InputError
from kdlab.train.evaluate import CHUNK, evaluating
from kdlab.train.logit_reader import LOWEST
from kdlab.train.stacked_mlp import Stack, plan

__all__ = ["Answers", "check_size"]

MOST_BYTES = 2e9
MOST_AT_ONCE = 512


def check_size(views: int, examples: int, classes: int) -> None:
    """Raise InputError when the logits of so many views would fill more than memory should hold."""
    if (size := examples * views * classes * _kept(views).itemsize) > MOST_BYTES:
        raise InputError(
            f"The teacher's logits of {views:,} views of {examples:,} images would fill {size / 1e9:.1f} GB: "
            f"choose fewer views."
        )


def _kept(views: int) -> torch.dtype:
    return torch.float32 if views == 1 else torch.float16


class Answers:
    """One teacher's logits by image and view.

    Those of a single view are kept in float32; of several in float16 (25 views of MNIST: 30 MB), whose rounding is
    an eighth of bfloat16's. `dtype` is that of a perceptron's products. Raises InputError as `check_size` does.
    """

    def __init__(
        self, teacher: nn.Module, views: Views, examples: int, classes: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        check_size(views.count, examples, classes)
        kept = _kept(views.count)
        self._teacher, self._views = teacher, views
        self._stack = Stack([teacher], dtype) if plan(teacher) else None
        self._logits = torch.full((examples, views.count, classes), torch.nan, dtype=kept, device=device)
        self._known = torch.zeros(examples, views.count, dtype=torch.bool, device=device)

    @torch.no_grad()
    def prepare(self, index: Tensor, view: Tensor) -> None:
        """Let the teacher answer what it has not yet been asked; `index` and `view` int64 (examples,)."""
        new = (~self._known[index, view]).nonzero()[:, 0]
        if not len(new):  # not every network and view can do with an empty batch
            return
        lowest = max(torch.finfo(self._logits.dtype).min, LOWEST)
        pixels = self._views.show(index[:1], view[:1])[0].numel()
        for chunk in torch.split(new, max(1, min(MOST_AT_ONCE, CHUNK // pixels))):
            asked = index[chunk], view[chunk]
            logits = self._ask(*asked)
            if not (logits < torch.inf).all():  # nor NaN; −inf is an answer
                raise InputError(
                    "The teacher gives logits that are NaN or infinite to some of the training images: check its "
                    "weights, and what it computes of numbers from 0 to 1."
                )
            self._logits[asked] = logits.clamp(lowest, -lowest).to(self._logits.dtype)
            self._known[asked] = True

    def state(self) -> dict[str, Tensor]:
        """Return all that is known so far, to be kept in a file; logits of what was never asked are NaN."""
        return {"logits": self._logits, "known": self._known}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` returned of the same teacher and views."""
        self._logits.copy_(state["logits"])
        self._known.copy_(state["known"])

    @property
    def nbytes(self) -> int:
        """How many bytes `state` takes."""
        return self._logits.nbytes + self._known.nbytes

    @property
    def known(self) -> int:
        """How many views were answered."""
        return int(self._known.sum())

    def __call__(self, index: Tensor, view: Tensor) -> Tensor:
        """Return the logits, float32 (batch, classes), of views that were prepared."""
        # Classes first in memory, as the students' are: quicker sums where there are many students.
        return self._logits[index, view].float().T.contiguous().T

    def _ask(self, index: Tensor, view: Tensor) -> Tensor:
        if self._stack is not None:
            return self._stack.logits(self._views.inputs(index, view, self._stack.dtype))[0]
        with evaluating(self._teacher):
            logits: Tensor = self._teacher(self._views.inputs(index, view)).float()
        return logits
