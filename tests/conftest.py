import os

import pytest

# Before torch is imported, and for the processes that tests start: on busy cores a second thread made image networks
# 40 times slower here.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what shares a Chromium last: Playwright keeps this thread's event loop to itself while it is open."""
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))
