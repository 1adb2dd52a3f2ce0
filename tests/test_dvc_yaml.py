"""dvc.yaml lists as each stage's code what the stage imports, no less and no more."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


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


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_of_a_stage_is_its_import_closure(stage: str) -> None:
    listed = [dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")]
    assert listed == sorted(import_closure(script_of(stage)))


def test_the_closure_follows_imports_through_others() -> None:
    closure = import_closure(script_of("split"))
    assert {"ballast/images.py", "ballast/inventory.py", "ballast/__init__.py"} <= closure
    assert "ballast/network.py" not in closure


def test_tensorflow_is_loaded_by_the_backend_alone() -> None:
    # The backend sets what TensorFlow reads from the environment while it loads.
    for path in [*(ROOT / "ballast").glob("*.py"), *(ROOT / "stages").glob("*.py")]:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        loads = [n for n in names if n.split(".")[0] in ("tensorflow", "keras")]
        # dvclive.keras loads it, too, and so only after the backend.
        loads += [n for n in names if n == "dvclive.keras" and "ballast.backend" not in names]
        assert not loads or path.name == "backend.py", path


def test_the_templates_are_code_of_the_stage_that_fills_them() -> None:
    readers = [stage for stage in STAGES if "ballast/pages.py" in STAGES[stage]["deps"]]
    assert readers == ["evaluate"]
    assert "ballast/templates" in STAGES["evaluate"]["deps"]


def test_every_stage_is_a_script_of_its_name() -> None:
    scripts = {path.stem.replace("_", "-") for path in (ROOT / "stages").glob("*.py")}
    assert set(STAGES) == scripts - {"check", "publish-check"}
    for stage, definition in STAGES.items():
        assert definition["cmd"] == f"python -X utf8 -m stages.{script_of(stage).stem}"


@pytest.mark.parametrize("stage", STAGES)
def test_only_evaluate_keeps_an_output_out_of_the_cache(stage: str) -> None:
    # Such a stage gets no run cache, so it must be a quick one.
    outputs = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", [])]
    uncached = [output for output in outputs if isinstance(output, dict)]
    assert bool(uncached) == (stage == "evaluate")
