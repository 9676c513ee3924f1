"""Augmented views of the images, and the views that the teacher sees.

Each image has a fixed number of views, so that the teacher's logits of every view can be cached; view 0 is the image
itself. To add an augmentation, decorate a function that takes the argument behind the colon and the images, uint8
(examples, channels, height, width), and returns `Views`; its knobs are the options of that argument. To add an entry of
`TEACHER_VIEWS`, decorate a function that returns the teacher's view of each example. Torch is imported inside the
functions, because the pages only list the names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kdlab.datasets.dataset import to_inputs
from kdlab.lazy import F, torch
from kdlab.registry import AUGMENTATIONS, TEACHER_VIEWS, Knob, quote, read_options

__all__ = ["Views", "affine", "flip", "make_views", "none", "shift"]

PIXELS = Knob("pixels", "Pixels", 2, 0, 16, "largest move in either direction", kind=int)
AFFINE = (
    Knob("views", "Views", 12, 2, 100, "views of each image, itself included", kind=int),
    Knob("degrees", "Degrees", 10.0, 0.0, 180.0, "largest turn in either direction"),
    Knob("scale", "Scale", 0.1, 0.0, 0.9, "largest growth or shrinking, as a share"),
    PIXELS,
)


@dataclass(frozen=True, slots=True)
class Views:
    """The views of all images: `count` per image; `show(index, view)` returns the chosen ones.

    `index` and `view` int64 (batch,); `show` returns uint8, or float in 0 to 255, (batch, channels, height, width).
    """

    count: int
    show: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def inputs(self, index: torch.Tensor, view: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Return the views as numbers in [0, 1], float32 unless `dtype` says otherwise."""
        return to_inputs(self.show(index, view), dtype)


def make_views(name: str, images: torch.Tensor) -> Views:
    """Return the views of `images` by the augmentation called `name`; raises InputError."""
    entry, argument = AUGMENTATIONS.find(name)
    views: Views = entry.build(argument, images)
    return views


@AUGMENTATIONS.add("none", label="None", help="the images as they are")
def none(argument: str, images: torch.Tensor) -> Views:
    """Return one view of each image: itself."""
    read_options("augmentation 'none'", argument, ())
    return Views(1, lambda index, view: images.index_select(0, index))


@AUGMENTATIONS.add(
    "shift",
    label="Shift",
    help="shift[:pixels=P]: moved by up to P pixels, zeros coming in",
    knobs=(PIXELS,),
    examples=("shift:pixels=2",),
)
def shift(argument: str, images: torch.Tensor) -> Views:
    """Return the (2 P + 1)² views of each image moved by whole pixels (the jitter of Hinton et al. 2015, section 3)."""

    pixels = int(read_options(f"augmentation {quote(f'shift:{argument}')}", argument, (PIXELS,))["pixels"])
    height, width = images.shape[2:]
    steps = 2 * pixels + 1
    windows = F.pad(images, (pixels,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    # View 0 is the central window.
    order = torch.arange(steps * steps, device=images.device).roll(-(steps * steps // 2))

    def show(index: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        position = order[view]
        return windows[index, :, position // steps, position % steps]

    return Views(steps * steps, show)


@AUGMENTATIONS.add("flip", label="Flip", help="flip: as it is, and mirrored left to right")
def flip(argument: str, images: torch.Tensor) -> Views:
    """Return two views of each image: itself and its mirror image, as is usual for photographs."""
    read_options("augmentation 'flip'", argument, ())

    def show(index: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        chosen = images.index_select(0, index)
        return chosen.where(view[:, None, None, None] == 0, chosen.flip(3))

    return Views(2, show)


@AUGMENTATIONS.add(
    "affine",
    label="Small affine",
    help="affine[:views=K][:degrees=D][:scale=S][:pixels=P]: turned, scaled and moved a little",
    knobs=AFFINE,
    examples=("affine:views=12",),
)
def affine(argument: str, images: torch.Tensor) -> Views:
    """Return K views of each image: itself, and K − 1 fixed random rotations, scalings and translations of it."""

    options = read_options(f"augmentation {quote(f'affine:{argument}')}", argument, AFFINE)
    count, size = int(options["views"]), images.shape[2:]
    # The same for all seeds, so that one cache of teacher logits serves them all.
    draw = torch.rand(len(images), count, 4, generator=torch.Generator().manual_seed(0)).mul_(2).sub_(1)
    draw[:, 0] = 0
    turn = draw[..., 0] * torch.pi * options["degrees"] / 180
    zoom = 1 + draw[..., 1] * options["scale"]
    cosine, sine = turn.cos() / zoom, turn.sin() / zoom
    # grid_sample coordinates go from -1 to 1: one pixel is 2 / size, and a rotation must not stretch a long image.
    ratio = size[0] / size[1]
    rows = [torch.stack([cosine, -sine * ratio], -1), torch.stack([sine / ratio, cosine], -1)]
    turns = torch.stack(rows, -2)
    # Translate last, so that scaling does not enlarge the translation: it passes the inverse of rotation and scaling.
    moves = draw[..., 2:, None] * options["pixels"] * 2 / torch.tensor([size[1], size[0]])[:, None]
    matrices = torch.cat([turns, -turns @ moves], -1).to(images.device)

    def show(index: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        chosen = images.index_select(0, index).float()
        grid = F.affine_grid(matrices[index, view], list(chosen.shape), align_corners=False)
        # Round to whole grey levels: otherwise view 0 would differ slightly from the image, and white would exceed 255.
        return F.grid_sample(chosen, grid, align_corners=False).round_()

    return Views(count, show)


@TEACHER_VIEWS.add("consistent", label="Consistent", help="teacher and student see the same view")
def consistent(student_view: torch.Tensor, drawn_view: torch.Tensor) -> torch.Tensor:
    """Return the student's own views (Beyer et al. 2022: consistent teaching)."""
    return student_view


@TEACHER_VIEWS.add("fixed", label="Fixed", help="the teacher always sees the image as it is")
def fixed(student_view: torch.Tensor, drawn_view: torch.Tensor) -> torch.Tensor:
    """Return view 0 for all (Beyer et al. 2022: fixed teacher)."""
    return student_view.new_zeros(()).expand_as(student_view)


@TEACHER_VIEWS.add("independent", label="Independent", help="teacher and student each see a view of their own")
def independent(student_view: torch.Tensor, drawn_view: torch.Tensor) -> torch.Tensor:
    """Return views drawn for the teacher alone (Beyer et al. 2022: independent noise)."""
    return drawn_view
