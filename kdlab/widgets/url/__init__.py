"""The part of the page's address after "#": choices and the run that is shown."""

from kdlab.widgets.url.widget import Address, Said, read

__all__ = ["Address", "Said", "read"]
