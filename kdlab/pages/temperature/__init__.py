"""The page "Temperature lab": Python that brings the data, and ES modules that compute and draw in the browser.

`compute/` knows no document, `state/` holds what is chosen and what follows from it, `views/` draw. The Python imports
predictions and files (`kdlab.io`), histories, metrics, data sets, runs and widgets; the modules import the shared ones
of the widgets.
"""
