"""Transfer sets from elsewhere: another data set's images made to fit, and noise. Their labels are all 0, unused."""

import torch
import torch.nn.functional as F

from kdlab.datasets import Split, load

__all__ = ["noise", "resized", "smooth_noise"]

Shape = tuple[int, int, int]
GRAIN = 4  # pixels between the values that smooth noise is drawn at


def resized(dataset: str, shape: Shape, device: torch.device) -> Split:
    """Return the training images of another data set with `shape` (channels, height, width)."""
    images = load(dataset).train.images.to(device).float()
    if images.shape[1] != shape[0]:
        images = images.mean(1, keepdim=True).expand(-1, shape[0], -1, -1)
    return _split(F.interpolate(images, shape[1:], mode="bilinear", align_corners=False, antialias=True))


def noise(count: int, shape: Shape, generator: torch.Generator) -> Split:
    """Return images whose pixels are independent and uniform."""
    return _split(torch.rand(count, *shape, generator=generator) * 255)


def smooth_noise(count: int, shape: Shape, generator: torch.Generator) -> Split:
    """Return images of smooth grey blobs on black: coarse normal noise, enlarged, the upper half of it shown."""
    coarse = torch.randn(count, shape[0], -(-shape[1] // GRAIN), -(-shape[2] // GRAIN), generator=generator)
    return _split(F.interpolate(coarse, shape[1:], mode="bicubic", align_corners=False).mul(255).clamp(0, 255))


def _split(images: torch.Tensor) -> Split:
    images = images.round().clamp(0, 255).to(torch.uint8)
    return Split(images, torch.zeros(len(images), dtype=torch.int64, device=images.device))
