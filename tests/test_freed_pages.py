"""A page costs few widget models, and all of them go when it is closed or its notebook's cell is run again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ipywidgets.widgets.widget import _instances
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from kdlab.experiments.framework.bundled import load_bundled
from kdlab.pages import Distil, Experiments, Index, Runs, Temperature
from kdlab.registry import EXPERIMENTS

MAX_MODELS = 30
PAGES: dict[str, Callable[[], Any]] = {
    "distil": Distil,
    "runs": Runs,
    "index": Index,
    "temperature": Temperature,
    **{key: lambda key=key: Experiments(key) for key in EXPERIMENTS},
}
CODE = """
from ipywidgets.widgets.widget import _instances
from kdlab.pages import Distil, Temperature
page, lab = Distil(), Temperature()
print(len(_instances))
"""


@pytest.mark.usefixtures("own_server")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_few_models_and_frees_them_all(name: str) -> None:
    async def use() -> None:
        before = set(_instances)
        page = PAGES[name]()
        made = set(_instances) - before
        assert 1 <= len(made) <= MAX_MODELS
        page.close()
        assert set(_instances) == before

    asyncio.run(use())


@pytest.mark.usefixtures("own_server")
def test_charts_that_come_and_go_leave_no_models() -> None:
    async def use() -> None:
        page = Experiments("ensemble")
        view = page.view
        before = set(_instances)
        for _ in range(3):
            view.live.result = load_bundled("ensemble")
            view.state.shown = "run"
            view._draw_all()
            view.live.result, view.state.shown = None, "shipped"
            view._draw_all()
        assert set(_instances) == before
        page.close()

    asyncio.run(use())


def models(client: Any, cell: str) -> int:
    """Run the code in the cell of this id, as JupyterLab does; return what it prints, the number of models."""
    message = client.session.msg("execute_request", {"code": CODE, "silent": False}, metadata={"cellId": cell})
    client.shell_channel.send(message)
    while True:
        answer = client.get_iopub_msg(timeout=60)
        if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        assert answer["msg_type"] != "error", answer["content"]
        if answer["msg_type"] == "stream":
            return int(answer["content"]["text"])


@pytest.mark.process
def test_a_cell_that_is_run_again_closes_the_pages_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    kernel = KernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    kernel.start_kernel(cwd=str(tmp_path))
    client = kernel.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        once = models(client, "first")
        assert [models(client, "first") for _ in range(3)] == [once] * 3
        assert models(client, "second") == 2 * once  # pages of another cell stay
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
        client.context.destroy()
