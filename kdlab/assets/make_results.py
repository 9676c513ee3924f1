"""Ships what the full experiments gave: `KDLAB_DATA=… python -m kdlab.assets.make_results NAME…`.

Without a name it does all. What `kdlab reproduce` kept is not trained again; the rest may take hours. `--judge` judges
what is shipped by today's rules, without training, where outcomes by example are kept, and prints what changed.
`--table` prints the tables of `docs/results.md` of all that is shipped.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import kdlab.experiments  # noqa: F401  (fills the registry)
from kdlab.experiments.framework.claims import judge_anew
from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.report_files import format_measured, format_reference, load, save
from kdlab.experiments.framework.verdicts import FIRST_RULE, RULE
from kdlab.paths import experiments_folder
from kdlab.registry import EXPERIMENTS, InputError

FOLDER = Path(__file__).parent / "results"


def make(name: str, cache_folder: Path, folder: Path, **settings: str) -> None:
    """Put the full report of an experiment and its arrays into `folder`; no job in `cache_folder` is trained again."""
    from kdlab.cli.experiment_progress import follow
    from kdlab.experiments.framework.run import reproduce_events

    print(save(*follow(reproduce_events(name, cache_folder, settings=settings)), folder, name))


def judge(name: str, folder: Path) -> None:
    """Judge the report of an experiment in `folder` anew, and print what changed.

    Raises InputError, and writes nothing, where the name is unknown or report and outcomes do not fit each other.
    """
    EXPERIMENTS.find(name)
    report, arrays = load(folder, name) or ({}, {})
    if not report:
        return
    try:
        old_claims = report["claims"]
        if outcomes := Outcomes.unpack(arrays):
            outcomes.check_seeds(report["settings"]["seeds"])
            claims = [judge_anew(claim, outcomes) for claim in old_claims]
            changed = [
                f"{report['label']}: {new['text']} {old['verdict']} → {new['verdict']}"
                for old, new in zip(old_claims, claims, strict=True)
                if old["verdict"] != new["verdict"]
            ]
    except InputError as error:
        raise InputError(f"The report {name}.json cannot be judged anew: {error}") from error
    except Exception as error:  # any exception may mean an incomplete report
        raise InputError(
            f"The report {name}.json cannot be judged anew, because its claims and outcomes do not fit each other "
            f"({type(error).__name__}: {error}): make it again."
        ) from error
    if outcomes:
        save({**report, "claims": claims, "rule": RULE}, arrays, folder, name)
        print("\n".join(changed), end="\n" if changed else "")
    else:
        print(f"{report['label']}: no outcomes of each example are kept, so the verdicts stay.")


def table(folder: Path = FOLDER) -> str:
    """Return two tables in Markdown of all reports in `folder`: what others report too, and the claims."""
    reports = [loaded[0] for name in EXPERIMENTS if (loaded := load(folder, name))]
    rows = [_line("experiment", "what", "reference", "measured"), _line("---", "---", "---", "---")]
    claims = [_line("experiment", "claim", "measured", "verdict"), _line("---", "---", "---", "---")]
    for report in reports:
        for index, row in enumerate(row for row in report["rows"] if row["reference"]):
            references = ", ".join(
                f"{text} ({source})" for source in row["reference"] if (text := format_reference(row, source))
            )
            rows.append(
                _line(
                    _title(report) if index == 0 else "",
                    row["label"],
                    references,
                    f"{format_measured(row)} {row['unit']}",
                )
            )
        for index, claim in enumerate(report["claims"]):
            first = report["label"] if index == 0 else ""
            mark = "" if "rule" in report else " (1)"
            claims.append(_line(first, claim["text"], claim["measured"], f"**{claim['verdict']}**{mark}"))
    sources = {key: citation for report in reports for key, citation in report["sources"].items()}
    if not all("rule" in report for report in reports):
        claims += ["", f"(1) {FIRST_RULE}"]
    parts = ["\n".join(rows), "\n".join(claims), *(f"- {key}: {citation}" for key, citation in sources.items())]
    return "\n\n".join([*parts[:2], *(["\n".join(parts[2:])] if sources else [])])


def _title(report: dict[str, Any]) -> str:
    seeds = report["settings"]["seeds"]
    return f"{report['label']} ({seeds} seed{'' if seeds == 1 else 's'}, {report['device']})"


def _line(*cells: str) -> str:
    return " ".join(["|", *(f"{cell_text} |" for cell_text in (cell.replace("|", r"\|") for cell in cells))])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--pieces", type=Path, default=experiments_folder(), metavar="FOLDER", help="of what was trained"
    )
    parser.add_argument("--dataset", help="instead of the experiments' own, such as folder:cifar10.tar")
    parser.add_argument("--judge", action="store_true", help="judge what is shipped anew and do nothing else")
    parser.add_argument("--table", action="store_true", help="print the tables of docs/results.md and do nothing else")
    arguments = parser.parse_args()
    settings = {"dataset": arguments.dataset} if arguments.dataset else {}
    try:
        for name in arguments.names:
            EXPERIMENTS.find(name)
        if arguments.table:
            print(table())
        for name in () if arguments.table else arguments.names or EXPERIMENTS:
            if arguments.judge:
                judge(name, FOLDER)
            else:
                make(name, arguments.pieces, FOLDER, **settings)
    except InputError as error:
        sys.exit(f"Error: {error}")
