"""The URL hash of the page: choices and the displayed run."""

from kdlab.widgets.url.widget import UrlHash, UrlState, parse_url_hash

__all__ = ["UrlHash", "UrlState", "parse_url_hash"]
