"""Plain plotly figures (dicts that `plotly.graph_objects.Figure` accepts) from NumPy arrays and lists."""
