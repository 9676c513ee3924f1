import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser's tests last: they are slow, and Playwright keeps this thread's event loop to itself."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
