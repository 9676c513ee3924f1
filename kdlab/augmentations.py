"""Moved views of the images, and what the teacher is shown of them.

Each image has a fixed number of views, view 0 being the image as it is, so that the teacher's logits of every view can
be kept. To add an augmentation, decorate a function that takes the argument behind the colon and the images, uint8
(examples, channels, height, width), and returns `Views`, its knobs being the options of that argument; to add a way of
teaching, one that says which view the teacher answers. Torch is imported inside the functions: the pages only list
names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdlab.datasets.dataset import to_inputs
from kdlab.registry import AUGMENTATIONS, TEACHINGS, Knob, quote, read_options

if TYPE_CHECKING:
    import torch
    from torch import Tensor

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
    """The views of each image: `count` of them; `show(index, view)` gives those asked for.

    `index` and `view` int64 (batch,); what is shown is uint8 or float in 0 to 255, (batch, channels, height, width).
    """

    count: int
    show: "Callable[[Tensor, Tensor], Tensor]"

    def inputs(self, index: "Tensor", view: "Tensor", dtype: "torch.dtype | None" = None) -> "Tensor":
        """Return the views as numbers in [0, 1], float32 unless `dtype` says otherwise."""
        return to_inputs(self.show(index, view), dtype)


def make_views(name: str, images: "Tensor") -> Views:
    """Return the views of `images` that the augmentation called `name` makes; raises InputError."""
    entry, argument = AUGMENTATIONS.find(name)
    views: Views = entry.build(argument, images)
    return views


@AUGMENTATIONS.add("none", label="None", help="the images as they are")
def none(argument: str, images: "Tensor") -> Views:
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
def shift(argument: str, images: "Tensor") -> Views:
    """Return the (2 P + 1)² views of each image moved by whole pixels (the jitter of Hinton et al. 2015, section 3)."""
    import torch
    import torch.nn.functional as F

    pixels = int(read_options(f"augmentation {quote(f'shift:{argument}')}", argument, (PIXELS,))["pixels"])
    height, width = images.shape[2:]
    steps = 2 * pixels + 1
    windows = F.pad(images, (pixels,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    # View 0 is the window in the middle.
    order = torch.arange(steps * steps, device=images.device).roll(-(steps * steps // 2))

    def show(index: "Tensor", view: "Tensor") -> "Tensor":
        place = order[view]
        return windows[index, :, place // steps, place % steps]

    return Views(steps * steps, show)


@AUGMENTATIONS.add("flip", label="Flip", help="flip: as it is, and mirrored left to right")
def flip(argument: str, images: "Tensor") -> Views:
    """Return two views of each image: itself and its mirror image, as is usual for photographs."""
    read_options("augmentation 'flip'", argument, ())

    def show(index: "Tensor", view: "Tensor") -> "Tensor":
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
def affine(argument: str, images: "Tensor") -> Views:
    """Return K views of each image: itself, and K − 1 that are each turned, scaled and moved at random, and stay so."""
    import torch
    import torch.nn.functional as F

    options = read_options(f"augmentation {quote(f'affine:{argument}')}", argument, AFFINE)
    count, size = int(options["views"]), images.shape[2:]
    # Fixed for all seeds, so that one teacher's answers serve them all.
    draw = torch.rand(len(images), count, 4, generator=torch.Generator().manual_seed(0)).mul_(2).sub_(1)
    draw[:, 0] = 0
    turn = draw[..., 0] * torch.pi * options["degrees"] / 180
    zoom = 1 + draw[..., 1] * options["scale"]
    cosine, sine = turn.cos() / zoom, turn.sin() / zoom
    # grid_sample counts from -1 to 1 over the image: one pixel is 2 / size, and a turn must not stretch a long image.
    ratio = size[0] / size[1]
    rows = [torch.stack([cosine, -sine * ratio], -1), torch.stack([sine / ratio, cosine], -1)]
    turns = torch.stack(rows, -2)
    # Moved last: a move must not grow with the image, so it goes backwards through turn and scale.
    moves = draw[..., 2:, None] * options["pixels"] * 2 / torch.tensor([size[1], size[0]])[:, None]
    matrices = torch.cat([turns, -turns @ moves], -1).to(images.device)

    def show(index: "Tensor", view: "Tensor") -> "Tensor":
        chosen = images.index_select(0, index).float()
        grid = F.affine_grid(matrices[index, view], list(chosen.shape), align_corners=False)
        # Whole grey levels again: otherwise view 0 would not quite be the image, and white a little above 255.
        return F.grid_sample(chosen, grid, align_corners=False).round_()

    return Views(count, show)


@TEACHINGS.add("consistent", label="Consistent", help="teacher and student see the same view")
def consistent(shown: "Tensor", other: "Tensor") -> "Tensor":
    """Return the student's own views (Beyer et al. 2022: consistent teaching)."""
    return shown


@TEACHINGS.add("fixed", label="Fixed", help="the teacher always sees the image as it is")
def fixed(shown: "Tensor", other: "Tensor") -> "Tensor":
    """Return view 0 for all (Beyer et al. 2022: fixed teacher)."""
    return shown.new_zeros(()).expand_as(shown)


@TEACHINGS.add("independent", label="Independent", help="teacher and student each see a view of their own")
def independent(shown: "Tensor", other: "Tensor") -> "Tensor":
    """Return views drawn for the teacher alone (Beyer et al. 2022: independent noise)."""
    return other
