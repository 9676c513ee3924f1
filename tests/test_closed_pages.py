"""A page that could not be made says why, and leaves nothing behind that complains later."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from ipywidgets.widgets.widget import _instances

from kdlab.pages import Distil, Experiments, Runs
from kdlab.registry import InputError
from kdlab.widgets.header import parse_url_hash


@pytest.mark.parametrize("page", [Distil, Runs, lambda **given: Experiments("mnist", **given)])
def test_a_page_that_cannot_be_made_says_one_thing(page: Callable[..., Any]) -> None:
    """What Python ignores while it throws the page away is an error here, as all warnings are."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'x'"):
        page(x=1)
    with pytest.raises(InputError, match="none runs here: make it in a cell of JupyterLab"):
        page()
    gc.collect()


@pytest.mark.usefixtures("own_server")
def test_a_closed_page_stays_closed() -> None:
    """An address that comes late, from a thread of JupyterLab's, makes no new views."""

    async def use() -> None:
        page = Experiments()
        page.close()
        before = set(_instances)
        page._follow(parse_url_hash("experiment=ensemble"))
        page._ipython_display_()  # shows nothing
        assert set(_instances) == before
        assert page.shown == {}

    asyncio.run(use())
