from pathlib import Path

import pytest

pytestmark = pytest.mark.process
NOTEBOOKS = sorted((Path(__file__).parent.parent / "apps").glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"


def test_there_are_notebooks() -> None:
    assert [notebook.name for notebook in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_a_few_lines(path: Path) -> None:
    import nbformat  # here, as its parser of addresses takes seconds to make

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert 1 <= len(code) <= 3
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_notebooks_run_and_show_their_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one kernel, as starting it takes longest; each finds it without names."""
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    code = [
        [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"] for path in NOTEBOOKS
    ]
    in_turn = [cell for cells in code for cell in (nbformat.v4.new_code_cell("%reset -f"), *cells)]
    for number, cell in enumerate(in_turn):
        cell.id = f"{number}"  # of a notebook that has them all
    whole = nbformat.v4.new_notebook(cells=in_turn)
    # No folder to look for kernels in: "python3" is then the Python that runs this test.
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    NotebookClient(whole, km=kernel, timeout=90).execute(cwd=str(tmp_path), cleanup_kc=True)  # an error raises
    for path, cells in zip(NOTEBOOKS, code, strict=True):
        outputs = [output for cell in cells for output in cell.outputs]
        static, widget = outputs  # and nothing is printed
        assert 'class="kd-static"' in static.data["text/html"], path
        assert "kdlab app" in static.data["text/plain"], path
        assert WIDGET in widget.data, path
