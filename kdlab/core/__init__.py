"""The PyTorch core: data, models, objectives, training and evaluation; it knows no screen.

Only what computes imports torch when it is imported; the modules that the pages import too (`spec`, `events`,
`history`, `metrics`, `models`, `objectives`, `augmentation`, `data` …) do so inside their functions.
"""

import os

# For how long a thread of GNU OpenMP, which torch's Linux builds use, looks out for work before it lets others have its
# core. Its own 300,000 looks made a step beside one busy process up to twenty times as long; these few cost an idle
# machine little: `python tests/benchmarks/threads.py`. Read once, when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
