"""The head of a page: title, links to the other pages, URL hash, and the state of the kernel."""

from kdlab.widgets.header.url import UrlState, parse_url_hash
from kdlab.widgets.header.widget import Header

__all__ = ["Header", "UrlState", "parse_url_hash"]
