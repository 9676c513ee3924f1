"""The process that draws the page stays small: it never imports torch, not even by what the worker sends."""

import subprocess
import sys

SCRIPT = """
import queue, sys
from kdlab.core.events import Done, Step
from kdlab.core.history import History
from kdlab.core.spec import Spec
from kdlab.dashboards.distil import view
from kdlab.runner import Happened, Runner, Status

if __name__ == "__main__":
    messages, history = queue.Queue(), History()
    runner = Runner("kdlab.core.distillation:distill_events", messages.put, unit=Step)
    runner.start(Spec(teacher="mlp:16x1", student="mlp:8x1", epochs=1, teacher_epochs=1))
    while True:
        match messages.get(timeout=120):
            case Happened(event):
                history.append(event)
            case Status("done"):
                break
            case Status("failed", kind, text):
                raise SystemExit(f"{kind}: {text}")
    assert view.summary(history, "")["verdict"] == history.result["mcnemar"]["verdict"]
    assert set(view.curves(history)) == {"errors", "losses"}
    assert set(view.matrices(history)) == {"teacher", "baseline", "student", "difference"}
    runner.close()
    print(sorted({"torch", "torchvision", "sklearn", "pandas"} & set(sys.modules)))
"""


def test_a_whole_run_leaves_torch_out_of_the_pages_process(tmp_path) -> None:
    script = tmp_path / "page.py"
    script.write_text(SCRIPT)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
