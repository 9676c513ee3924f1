"""The experiments of the paper and its readers, each a command and a page.

To add one, write a file like `ensemble.py` here and import it below.
"""

from kdlab.core.experiments import ensemble  # noqa: F401  (they fill the registry, in this order)
