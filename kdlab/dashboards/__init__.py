"""The pages, one folder each: a State, a pure view of it, and a layout. None of them imports torch."""

from kdlab.dashboards.distil import Distil

__all__ = ["Distil"]
