"""Measure dvc repro with nothing changed, against a pipeline of the same shape that does nothing.

    python -m benchmarks.nothing_changed
    python -m benchmarks.nothing_changed --repeats 11

Clones HEAD into a temporary folder and runs it there once, training for one epoch. Then makes a
second project with the same outputs, whose stages run `true` and depend only on the photographs and
these outputs, not on code or params. Runs dvc repro in both in turn, --repeats times. The last line
holds the ratio of the medians.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from tabulate import tabulate

from benchmarks.alternation import turns


def main() -> None:
    """Run the benchmark; print a table and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        projects = {"this project": Path(folder, "project"), "stages of true": Path(folder, "true")}
        project, peer = projects.values()
        run(Path.cwd(), "git", "clone", "--quiet", ".", str(project))
        train_shortly(project)
        run(project, "dvc", "repro")
        make_peer(project, peer)
        seconds: dict[str, list[float]] = {name: [] for name in projects}
        for name in turns(projects, arguments.repeats):
            started = time.perf_counter()
            said = run(projects[name], "dvc", "repro")
            seconds[name].append(time.perf_counter() - started)
            assert "Running stage" not in said, said
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    rows = [[name, medians[name], min(seconds[name]), max(seconds[name])] for name in projects]
    headers = ["dvc repro of", "median s", "min s", "max s"]
    print(tabulate(rows, headers=headers, floatfmt=".2f", tablefmt="github"))
    print(f"ratio: {medians['this project'] / medians['stages of true']:.2f}")


def train_shortly(project: Path) -> None:
    """Cut training to one epoch: its result does not matter here."""
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["train"]["epochs"] = 1
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def make_peer(project: Path, peer: Path) -> None:
    """Make the project whose stages run `true`, with its outputs in place."""
    raw = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))["data"]["raw"]
    stages = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    stages = {name: stage for name, stage in stages.items() if "foreach" not in stage}  # opt-in
    outputs = {path_of(out) for stage in stages.values() for out in outs_of(stage)}
    run(project.parent, "git", "init", "--quiet", str(peer))
    run(peer, "dvc", "init", "--quiet")
    for path in (raw, *sorted(outputs)):
        (peer / path).parent.mkdir(parents=True, exist_ok=True)
        whole = (project / path).is_dir()
        (shutil.copytree if whole else shutil.copyfile)(project / path, peer / path)
    shaped = {
        name: {
            "cmd": "true",
            "deps": [dep.replace("${data.raw}", raw) for dep in stage["deps"]
                     if dep == "${data.raw}" or dep in outputs],
            **{kind: stage[kind] for kind in ("outs", "metrics") if kind in stage},
        }
        for name, stage in stages.items()
    }  # fmt: skip
    (peer / "dvc.yaml").write_text(yaml.safe_dump({"stages": shaped}), encoding="utf-8")
    run(peer, "dvc", "commit", "--force", "--quiet")


def outs_of(stage: dict[str, Any]) -> list[Any]:
    """The outputs of a stage, including metrics."""
    return [*stage.get("outs", []), *stage.get("metrics", [])]


def path_of(out: str | dict[str, Any]) -> str:
    """The path of an output; outputs with options are mappings."""
    return out if isinstance(out, str) else next(iter(out))


def run(folder: Path, *command: str) -> str:
    """Run a program in a folder; return what it prints."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
