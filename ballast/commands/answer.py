"""Print the answer of the latest run: its figures, the verdict, and what to do next.

make ends with this. outputs/answer.json has all of it for programs. If params, photographs or code
have changed since that run, the first line says so.

Example:
    ballast answer
"""

import argparse
from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from ballast.core import paths
from ballast.core.errors import UserError, counted, one_line
from ballast.core.files import intact, read_json
from ballast.core.stage_times import duration_of, stage_times
from ballast.scores.advice import COMPARE, RUN, action_text
from ballast.scores.intervals import CLASS_METRICS, Interval, interval_text
from ballast.scores.sentences import conflicts_text, listed, one_line_text

MOST_ADVICE = 3  # the report has all
MISSING = f"{paths.REPORT} is missing; {RUN} brings it back"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument(
        "--just-run",
        action="store_true",
        help="save the second or two that it takes to find out what has changed since the run",
    )


def run(options: argparse.Namespace) -> int:
    """Print the answer; return the exit code."""
    found = read_json(paths.ANSWER)
    with intact(paths.ANSWER):
        said = answer_text(found, duration_of(2, 1, stage_times()))
    if not options.just_run and (since := since_run()):
        print(f"{since}\n")
    print(said)
    print(f"\nOpen {paths.REPORT}" if paths.REPORT.exists() else f"\n{MISSING}")
    return 0


def since_run() -> str:
    """Say what the outputs depend on and has changed since dvc repro ran; empty if nothing has."""
    from ballast.dvc_tools.changes import changed_deps  # loads DVC, which takes half a second

    try:
        changed = changed_deps("evaluate")
    except UserError as error:
        reason = one_line(str(error))
        return f"Perhaps of an earlier run; what has changed since cannot be told: {reason}"
    if not changed:
        return ""
    return f"Of an earlier run: since then, {listed(changed)} changed; {RUN} renews it"


def answer_text(found: Mapping[str, Any], comparison_takes: str = "") -> str:
    """Format an answer for a terminal.

    Args:
        found: the content of outputs/answer.json.
        comparison_takes: how long make compare is going to take; empty if unknown.

    Raises:
        KeyError, TypeError: if something of it is missing.
    """
    metrics, difference = found["metrics"], found["difference"]
    rows = [
        [
            one_line(name),
            trained,
            found["photographs"][name],
            *(interval_text(Interval(**metrics[key][name]), digits=2) for key in CLASS_METRICS),
        ]
        for name, trained in found["train_photographs"].items()
    ]
    headers = ["class", "train", "judged", *CLASS_METRICS]
    # disable_numparse: a class called 1e3 keeps its name.
    parts = [tabulate(rows, headers, disable_numparse=True), found["verdict"]]
    parts += [difference["verdict"]] if difference else []
    parts += [found["saved_model"]] if found.get("saved_model") else []
    advice = found["recommendations"]
    if advice:
        takes = {COMPARE: f" ({comparison_takes})"} if comparison_takes else {}
        lines = [
            f"- {of['text']} -> {action_text(of['action'])}{takes.get(of['action'], '')}"
            for of in advice[:MOST_ADVICE]
        ]
        more = len(advice) - MOST_ADVICE
        lines += [f"- {more} more in {paths.REPORT}"] if more > 0 else []
        parts.append("\n".join(["What to do:", *lines]))
    # Answers of earlier versions do not have it.
    if conflicts := conflicts_text(found.get("label_conflicts", 0)):
        parts.append(f"{conflicts}: decide which label is right")
    if found["left_out"]:
        reasons = [f"- {number} {reason}" for reason, number in found["left_out"].items()]
        files = counted(sum(found["left_out"].values()), "file")
        parts.append("\n".join([f"Left out: {files} ({paths.REJECTED})", *reasons]))
    return "\n\n".join("\n".join(map(one_line_text, part.splitlines())) for part in parts)
