"""A cache of the teacher's logits of the training images and their views."""

import torch
from torch import Tensor, nn

from kdlab.augmentations import Views
from kdlab.registry import InputError
from kdlab.train.evaluate import CHUNK, evaluating
from kdlab.train.logit_reader import LOWEST
from kdlab.train.stacked_mlp import StackedMLP, mlp_signature

__all__ = ["TeacherLogitCache", "check_size"]

MAX_BYTES = 2e9
MAX_CHUNK_SIZE = 512


def check_size(views: int, examples: int, classes: int) -> None:
    """Raise InputError if the logits of so many views would take more than `MAX_BYTES`."""
    if (size := examples * views * classes * _storage_dtype(views).itemsize) > MAX_BYTES:
        raise InputError(
            f"The teacher's logits of {views:,} views of {examples:,} images would fill {size / 1e9:.1f} GB: "
            f"choose fewer views."
        )


def _storage_dtype(views: int) -> torch.dtype:
    return torch.float32 if views == 1 else torch.float16


class TeacherLogitCache:
    """One teacher's logits by image and view.

    Logits of a single view are stored as float32, of several views as float16 (25 views of MNIST: 30 MB), whose
    rounding error is an eighth of bfloat16's. `dtype`: of a perceptron's products. Raises InputError as `check_size`
    does.
    """

    def __init__(
        self, teacher: nn.Module, views: Views, examples: int, classes: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        check_size(views.count, examples, classes)
        storage_dtype = _storage_dtype(views.count)
        self._teacher, self._views = teacher, views
        self._stack = StackedMLP([teacher], dtype) if mlp_signature(teacher) else None
        self._logits = torch.full((examples, views.count, classes), torch.nan, dtype=storage_dtype, device=device)
        self._cached = torch.zeros(examples, views.count, dtype=torch.bool, device=device)

    @torch.no_grad()
    def prepare(self, index: Tensor, view: Tensor) -> None:
        """Compute and store the logits that are missing; `index` and `view` int64 (examples,)."""
        missing = (~self._cached[index, view]).nonzero()[:, 0]
        if not len(missing):  # some networks and views fail on an empty batch
            return
        lowest = max(torch.finfo(self._logits.dtype).min, LOWEST)
        pixels = self._views.show(index[:1], view[:1])[0].numel()
        for chunk in torch.split(missing, max(1, min(MAX_CHUNK_SIZE, CHUNK // pixels))):
            keys = index[chunk], view[chunk]
            logits = self._compute(*keys)
            if not (logits < torch.inf).all():  # refuses NaN too; −inf is allowed
                raise InputError(
                    "The teacher gives logits that are NaN or infinite to some of the training images: check its "
                    "weights, and what it computes of numbers from 0 to 1."
                )
            self._logits[keys] = logits.clamp(lowest, -lowest).to(self._logits.dtype)
            self._cached[keys] = True

    def state(self) -> dict[str, Tensor]:
        """Return the cache as tensors for a file; logits that were not computed yet are NaN."""
        return {"logits": self._logits, "known": self._cached}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore a state that `state` returned for the same teacher and views."""
        self._logits.copy_(state["logits"])
        self._cached.copy_(state["known"])

    @property
    def nbytes(self) -> int:
        """Size of `state` in bytes."""
        return self._logits.nbytes + self._cached.nbytes

    @property
    def cached_count(self) -> int:
        """Number of cached (image, view) pairs."""
        return int(self._cached.sum())

    def __call__(self, index: Tensor, view: Tensor) -> Tensor:
        """Return the logits, float32 (batch, classes), of views that were prepared."""
        # Classes come first in memory, as in the students' logits: sums over many students are faster.
        return self._logits[index, view].float().T.contiguous().T

    def _compute(self, index: Tensor, view: Tensor) -> Tensor:
        if self._stack is not None:
            return self._stack.logits(self._views.inputs(index, view, self._stack.dtype))[0]
        with evaluating(self._teacher):
            logits: Tensor = self._teacher(self._views.inputs(index, view)).float()
        return logits
