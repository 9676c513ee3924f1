"""The page "Temperature lab": what a temperature does to predictions, computed in the browser."""

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from kdlab.datasets.mnist_pixels import mnist_validation_images
from kdlab.io.portable_network import read
from kdlab.io.predictions import Predictions
from kdlab.metrics.classification import telling_example
from kdlab.pages.catalogue import TEMPERATURE
from kdlab.pages.page import replace_page
from kdlab.pages.static_view import WithStaticView
from kdlab.pages.temperature.data_server import DataServer
from kdlab.pages.temperature.widget import Lab
from kdlab.registry import InputError
from kdlab.runs.client import shown_limits
from kdlab.train.history import History

__all__ = ["Temperature"]

NO_MNIST = "MNIST's pictures are not on this machine: choose mnist on the page Distil once, and they are fetched."


class Temperature(WithStaticView, Lab):
    """The temperature lab, on MNIST and the digits that come with kdlab, and on `others` before them.

    `others`: predictions of one's own, or folders of runs that `kdlab distill --out` wrote. `choices`: traits of the
    lab to begin with, such as `temperature=8`. Raises InputError, and TraitError for a choice that cannot be.
    """

    link = TEMPERATURE

    def __init__(self, *others: Predictions | str | Path, **choices: Any) -> None:
        added = [_as_predictions(source) for source in others]
        assets = files("kdlab.assets")
        with as_file(assets / "temperature") as folder:
            mnist, networks = Predictions.load(folder / "mnist.npz"), read(folder / "networks.safetensors")
        mnist = replace(mnist, images=mnist_validation_images(), split="validation")
        if mnist.images is None:
            mnist = replace(mnist, note=f"{mnist.note} {NO_MNIST}")
        with as_file(assets / "opening" / "history.npz") as path:
            digits = Predictions.of(History.load(path), "digits")
        shown = [*added, mnist, digits]
        begin = next((predictions for predictions in shown if predictions.key == choices.get("dataset")), shown[0])
        opening = {"dataset": begin.key, "example": telling_example(begin.logits, begin.labels)}
        limits = {"upload_bytes": limit} if (limit := shown_limits().upload_bytes) else {}
        super().__init__(DataServer(shown, networks), **{**opening, **limits, **choices})
        replace_page(self)


def _as_predictions(source: Predictions | str | Path) -> Predictions:
    if isinstance(source, Predictions):
        return source
    if isinstance(source, str | Path):
        return Predictions.read(Path(source))
    raise InputError(
        f"The lab shows Predictions and folders of runs, not a {type(source).__name__}: make Predictions of it."
    )
