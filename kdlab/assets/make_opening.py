"""Makes the run that the page "Distil" opens with: `python -m kdlab.assets.make_opening` from the repository's root.

The student has only 200 images to learn from, where a teacher who saw all of them has most to tell. The
temperature was chosen on validation errors, of 2, 4 and 8.
"""

import shutil
from pathlib import Path

from kdlab.distillation.distill import distill
from kdlab.distillation.run_folder import save

OPENING = Path(__file__).parent / "opening"
SETTINGS = {
    "transfer_size": 200,
    "epochs": 1000,
    "teacher_epochs": 60,
    "batch_size": 20,
    "learning_rate": 1e-3,
    "seed": 0,
}


def make(folder: Path) -> None:
    """Train teacher, student and baseline and keep the whole run in `folder`."""
    save(distill("digits", "mlp:256x2:dropout=0.5:input_dropout=0.2", "mlp:32x1", **SETTINGS), folder)


if __name__ == "__main__":
    shutil.rmtree(OPENING, ignore_errors=True)
    make(OPENING)
