"""What a person does in JupyterLab itself."""

from playwright.sync_api import Page, expect

__all__ = ["run_all_cells"]

PATIENCE = 5_000  # milliseconds after which a person would press again


def run_all_cells(page: Page) -> None:
    """Run the notebook that is open.

    JupyterLab drops what is run before this notebook's kernel has answered for the first time, and just after a tab was
    opened the status line still tells of another one's: so ask again until the cell is run or running.
    """
    prompt = page.locator(".jp-NotebookPanel:visible .jp-CodeCell .jp-InputPrompt").first
    for patience in (*[PATIENCE] * 10, None):
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
        for entry in ("Run", "Run All Cells"):
            page.get_by_role("menuitem", name=entry, exact=True).click()
        try:
            expect(prompt).not_to_have_text("[ ]:", timeout=patience)
        except AssertionError:
            if patience is None:
                raise
        else:
            return
