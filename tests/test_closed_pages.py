"""A page that could not be made says why, and leaves nothing behind that complains later."""

import gc
from collections.abc import Callable
from typing import Any

import pytest

from kdlab.pages import Distil, Experiments, Runs
from kdlab.registry import InputError


@pytest.mark.parametrize("page", [Distil, Runs, lambda **given: Experiments("mnist", **given)])
def test_a_page_that_cannot_be_made_says_one_thing(page: Callable[..., Any]) -> None:
    """What Python ignores while it throws the page away is an error here, as all warnings are."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'x'"):
        page(x=1)
    with pytest.raises(InputError, match="none runs here: make it in a cell of JupyterLab"):
        page()
    gc.collect()
