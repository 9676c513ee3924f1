"""The PyTorch core: data, models, objectives, training and evaluation; it knows no screen.

Only what computes imports torch when it is imported; the modules that the pages import too (`spec`, `events`,
`history`, `metrics`, `models`, `objectives`, `augmentation`, `data` …) do so inside their functions.
"""

import os

# How often a thread of GNU OpenMP, which torch's Linux builds use, looks out for work before it gives its core away.
# With OpenMP's own 300,000 looks two runs at once, as of two visitors, hinder each other far beyond sharing the cores;
# these few cost a run alone next to nothing: `python tests/benchmarks/threads.py`. Read once, when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
