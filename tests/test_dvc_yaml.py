"""In dvc.yaml, each stage lists the packages of ballast/ that it imports, and no others."""

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import environment

ROOT = Path(__file__).parent.parent
CODE = sorted((ROOT / "ballast").rglob("*.py")) + sorted((ROOT / "stages").glob("*.py"))
MANY = 3
STAGES: dict[str, dict[str, Any]] = {
    name: definition.get("do", definition)  # of foreach
    for name, definition in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}


def script_of(stage: str) -> Path:
    return ROOT / "stages" / f"{stage.replace('-', '_')}.py"


def imported_files(path: Path) -> set[Path]:
    """Files of this repository that importing `path` runs, itself left out."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    files = set()
    for module in modules:
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            folder = ROOT.joinpath(*parts[:depth])
            files |= {folder.with_suffix(".py"), folder / "__init__.py"}
    return {file for file in files if file.is_file()}


def import_closure(path: Path) -> set[str]:
    seen: set[Path] = set()
    waiting = {path}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= imported_files(file) - seen
    return {file.relative_to(ROOT).as_posix() for file in seen}


def code_deps(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith(("ballast", "stages"))]


def expected_deps(stage: str) -> list[str]:
    """Core, and a room of which the stage imports MANY files; of other rooms the files themselves.

    An __init__.py decides on no output, so it counts with its room alone, and not for stages/.
    """
    files = {file for file in import_closure(script_of(stage)) if not file.endswith("__init__.py")}
    rooms = Counter(str(Path(file).parent) for file in files)
    whole = {
        room
        for room, used in rooms.items()
        if room == "ballast/core" or (room.count("/") and used >= MANY)
    }
    return sorted(whole | {file for file in files if str(Path(file).parent) not in whole})


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_of_a_stage_is_the_rooms_that_it_imports(stage: str) -> None:
    assert code_deps(stage) == expected_deps(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_every_room_that_a_stage_depends_on_has_code(stage: str) -> None:
    for dep in code_deps(stage):
        path = ROOT / dep
        assert path.is_file() or list(path.glob("*.py")), dep


def test_the_closure_follows_imports_through_others() -> None:
    closure = import_closure(script_of("split"))
    assert {
        "ballast/core/images.py",
        "ballast/dataset/scan.py",
        "ballast/core/__init__.py",
    } <= closure
    assert "ballast/model/cnn.py" not in closure


def test_tensorflow_is_loaded_by_keras_setup_alone() -> None:
    # It sets what TensorFlow reads from the environment while it loads.
    assert len(CODE) > 50
    for path in CODE:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        loads = [n for n in names if n.split(".")[0] in ("tensorflow", "keras")]
        # dvclive.keras loads it, too, and so only after keras_setup.
        loads += [n for n in names if n == "dvclive.keras" and "ballast.keras_setup" not in names]
        assert not loads or path.name == "keras_setup.py", path


def test_every_stage_is_a_script_of_its_name() -> None:
    scripts = (ROOT / "stages").glob("[!_]*.py")
    assert set(STAGES) == {path.stem.replace("_", "-") for path in scripts}
    for stage, definition in STAGES.items():
        assert definition["cmd"].removesuffix(" ${item}") == (
            f"python -X utf8 -m stages.{script_of(stage).stem}"
        )


@pytest.mark.parametrize("stage", STAGES)
def test_only_evaluate_keeps_an_output_out_of_the_cache(stage: str) -> None:
    # Such a stage gets no run cache, so it must be a quick one.
    outputs = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", [])]
    uncached = [output for output in outputs if isinstance(output, dict)]
    assert bool(uncached) == (stage == "evaluate")


def test_the_lock_has_no_other_stages() -> None:
    # DVC never removes one, and commands that read the lock would take it for one that ran.
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert {name.split("@")[0] for name in lock} <= set(STAGES)


@pytest.mark.skipif("CI" not in os.environ, reason="while code changes, the lock lags behind")
def test_the_lock_is_of_this_code() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    changes = [
        change for of in json.loads(said).values() for change in of if "changed deps" in change
    ]
    modified = [change for change in changes if "modified" in change["changed deps"].values()]
    assert modified == [], "run make, and commit dvc.lock"
