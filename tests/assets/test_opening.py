"""The run that the page opens with is what its script makes."""

import json

import numpy as np
import pytest

from kdlab.assets.make_opening import OPENING, make
from kdlab.train.history import History


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("opening") / "run"
    make(folder)
    return History.load(folder / "history.npz")


@pytest.mark.process
def test_remaking_the_opening_agrees_with_the_shipped_run(remade: History) -> None:
    shipped = History.load(OPENING / "history.npz")
    assert remade.opened.spec == shipped.opened.spec
    assert np.array_equal(remade.opened.images, shipped.opened.images)
    assert np.array_equal(remade.opened.labels, shipped.opened.labels)
    for curve, values in shipped.losses.items():
        # Rounding differs between processors and grows with the steps, so only the first ones can be compared closely.
        assert np.allclose(remade.losses[curve].values[:10], values.values[:10], rtol=1e-3), curve
    for network, logits in shipped.logits.items():
        assert (remade.logits[network].argmax(1) == logits.argmax(1)).mean() > 0.97, network


def test_the_shipped_files_belong_to_one_run() -> None:
    shipped = History.load(OPENING / "history.npz")
    result = json.loads((OPENING / "result.json").read_text())
    assert json.loads(json.dumps(shipped.result)) == result
    for network in ("teacher", "baseline", "student"):
        assert result["validation"][network]["errors"] == shipped.errors[network].values[-1]
        assert (OPENING / f"{network}.safetensors").stat().st_size < 500_000
