"""Plain plotly figures (dicts that `plotly.graph_objects.Figure` accepts) from NumPy arrays and lists.

Here live the theme and the figures of one run and of several; they import progress and the registry at most, and
neither torch nor widgets.
"""
