"""Networks by name, built for an input size and a number of classes.

To add one, decorate a function that takes the argument behind the colon, the input shape (channels, height, width) and
the number of classes, and returns a module. Torch is imported inside the functions, as the pages only list the names.
"""

from __future__ import annotations

import re

from kdlab.lazy import nn, torch
from kdlab.registry import MODELS, InputError, Knob, quote, read_options

__all__ = ["build", "cnn", "mlp", "mobilenet_v3_small", "resnet18"]

Shape = tuple[int, int, int]

WIDTH = Knob("width", "Width", 32, 1, 16_384, "units or channels of a layer", kind=int)
DEPTH = Knob("depth", "Depth", 2, 1, 64, "hidden layers", kind=int)
DROPOUT = Knob("dropout", "Dropout", 0.0, 0.0, 0.99, "share of hidden units dropped in training")
INPUT_DROPOUT = Knob("input_dropout", "Input dropout", 0.0, 0.0, 0.99, "share of inputs dropped in training")
MAX_NORM = Knob("max_norm", "Max-norm", 0.0, 0.0, 1e3, "largest length of a hidden unit's incoming weights; 0: any")
CONVOLUTIONS = Knob("convolutions", "Convolutions", 1, 1, 16, "convolutions in each of the two stages", kind=int)

# Below this side length the first layers of image networks do not reduce the resolution, as usual for CIFAR's 32 × 32.
SMALL_IMAGE = 64


def build(name: str, shape: Shape, classes: int) -> nn.Module:
    """Return a freshly initialised network called `name` for inputs (batch, *shape) and `classes` logits.

    Raises InputError for a name that is unknown or malformed.
    """

    entry, argument = MODELS.find(name)
    module: nn.Module = entry.build(argument, shape, classes)
    # Channels-last memory makes convolutions up to three times as fast: `python tests/benchmarks/cost.py`.
    return module.to(memory_format=torch.channels_last)


@MODELS.add(
    "mlp",
    label="Multi-layer perceptron",
    help="mlp:WIDTHxDEPTH[:dropout=P][:input_dropout=P][:max_norm=C]",
    knobs=(DROPOUT, INPUT_DROPOUT, MAX_NORM),
    examples=(
        "mlp:16x1",
        "mlp:32x1",
        "mlp:64x2",
        "mlp:256x2:dropout=0.5:input_dropout=0.2",
        "mlp:800x2",
        "mlp:1200x2:dropout=0.5:input_dropout=0.2",
    ),
)
def mlp(argument: str, shape: Shape, classes: int) -> nn.Module:
    """Return `DEPTH` hidden layers of `WIDTH` rectified linear units, with optional dropout and max-norm.

    Training applies the max-norm (Srivastava et al. 2014, section 5.1) after each step.
    """

    size, _, option_text = argument.partition(":")
    if not (match := re.fullmatch(r"(\d+)x(\d+)", size)):
        raise InputError(f"The model {quote(f'mlp:{argument}')} needs its size as WIDTHxDEPTH, for example mlp:800x2.")
    width, depth = int(WIDTH.check(match[1])), int(DEPTH.check(match[2]))
    options = read_options(f"model {quote(f'mlp:{argument}')}", option_text, MODELS["mlp"].knobs)
    layers: list[nn.Module] = [nn.Flatten()]
    if options["input_dropout"]:
        layers.append(nn.Dropout(options["input_dropout"]))
    features = shape[0] * shape[1] * shape[2]
    for _ in range(depth):
        layers += [nn.Linear(features, width), nn.ReLU()]
        if options["dropout"]:
            layers.append(nn.Dropout(options["dropout"]))
        features = width
    network = nn.Sequential(*layers, nn.Linear(features, classes))
    network.max_norm = options["max_norm"]  # type: ignore[assignment]  # the training loop reads it
    return network


@MODELS.add(
    "cnn",
    label="Small convolutional network",
    help="cnn[:width=CHANNELS][:convolutions=N][:dropout=P]",
    knobs=(WIDTH, CONVOLUTIONS, DROPOUT),
)
def cnn(argument: str, shape: Shape, classes: int) -> nn.Module:
    """Return two stages of 3×3 convolutions with `width` and twice as many channels, pooled, and one linear layer."""

    options = read_options(f"model {quote(f'cnn:{argument}')}", argument, MODELS["cnn"].knobs)
    width, convolutions = int(options["width"]), int(options["convolutions"])

    def stage(inputs: int, outputs: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for channels in (inputs, *[outputs] * (convolutions - 1)):
            convolution = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
        return [*layers, nn.MaxPool2d(2, ceil_mode=True)]

    # Two poolings halve the sides, rounded up.
    rows, columns = (-(-side // 4) for side in shape[1:])
    head: list[nn.Module] = [nn.Flatten(), nn.Linear(2 * width * rows * columns, classes)]
    if options["dropout"]:
        head.insert(1, nn.Dropout(options["dropout"]))
    return nn.Sequential(*stage(shape[0], width), *stage(width, 2 * width), *head)


def _needs_no_argument(model: str, argument: str) -> None:
    read_options(f"model {model!r}", argument, ())


@MODELS.add("resnet18", label="ResNet-18", help="torchvision's, with CIFAR's first layer for images under 64 pixels")
def resnet18(argument: str, shape: Shape, classes: int) -> nn.Module:
    """Return torchvision's ResNet-18; for small images with a 3×3 stem, stride 1, no pooling (He et al. 2016, 4.2)."""
    from torchvision.models import resnet18 as make

    _needs_no_argument("resnet18", argument)
    network: nn.Module = make(num_classes=classes)
    small = min(shape[1:]) < SMALL_IMAGE
    kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
    network.conv1 = nn.Conv2d(shape[0], 64, kernel, stride, padding, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    if small:
        network.maxpool = nn.Identity()
    return network


@MODELS.add("mobilenet_v3_small", label="MobileNetV3 small", help="torchvision's, with stride 1 first under 64 pixels")
def mobilenet_v3_small(argument: str, shape: Shape, classes: int) -> nn.Module:
    """Return torchvision's MobileNetV3-Small; for small images its first convolution has stride 1."""
    from torchvision.models import mobilenet_v3_small as make

    _needs_no_argument("mobilenet_v3_small", argument)
    network: nn.Module = make(num_classes=classes)
    stride = 1 if min(shape[1:]) < SMALL_IMAGE else 2
    first = nn.Conv2d(shape[0], 16, 3, stride, 1, bias=False)
    nn.init.kaiming_normal_(first.weight, mode="fan_out")
    network.get_submodule("features.0")[0] = first  # type: ignore[operator]
    return network
