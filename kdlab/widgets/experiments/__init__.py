"""What the pages of experiments show: choices, findings, pieces of training, facts and cards."""

from kdlab.widgets.experiments.widgets import Cards, Facts, Findings, Pieces, Segments

__all__ = ["Cards", "Facts", "Findings", "Pieces", "Segments"]
