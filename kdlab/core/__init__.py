"""The PyTorch core: data, models, objectives, training and evaluation; it knows no screen.

Only what computes imports torch when it is imported; the modules that the pages import too (`spec`, `events`,
`history`, `metrics`, `models`, `objectives`, `augmentation`, `data` …) do so inside their functions.
"""
