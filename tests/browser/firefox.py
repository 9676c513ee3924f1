"""A Firefox of the machine, headless and without a network, that Playwright drives by WebDriver BiDi."""

import shutil

from playwright.sync_api import Browser, Playwright

__all__ = ["launch_firefox"]

DARK = 0
PREFERENCES = {
    # What the pages see as prefers-color-scheme: Playwright cannot ask a Firefox for it.
    "layout.css.prefers-color-scheme.content-override": DARK,
    # Every other host than this machine is behind a proxy that nobody runs.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1, localhost",
}


def launch_firefox(playwright: Playwright) -> Browser | None:
    """Start this machine's Firefox, which prefers dark pages; None without any."""
    path = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
    if path is None:
        return None
    # The channel stands for Mozilla's own builds; "firefox" alone for the one that Playwright patches and downloads.
    return playwright.firefox.launch(channel="moz-firefox", executable_path=path, firefox_user_prefs=PREFERENCES)
