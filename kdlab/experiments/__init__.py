"""The experiments of the paper and its readers, each a command and a page.

Here live their programs, and in `framework/` what all of them use; they import training, distillation, specialists and
everything below these, but neither widgets nor pages.

To add one, write a file like `ensemble.py` here and import it below: experiments are listed in this order.
"""

from kdlab.experiments import mnist, early_stopping, ensemble, speech  # noqa: F401, I001
from kdlab.experiments import three_percent, missing_class, unlabelled  # noqa: F401
from kdlab.experiments import width_temperature, high_temperature, cnn_to_mlp  # noqa: F401
from kdlab.experiments import specialists  # noqa: F401
