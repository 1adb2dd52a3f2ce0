"""Imports among the packages of ballast/ go one way, down, and never in a circle.

A room is a package or a top-level module of ballast/. Imports within functions count like those at
the top of a module.
"""

import ast
import shutil
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

BALLAST = Path(__file__).parent.parent / "ballast"
# Lowest first. A room may import from those before it alone.
FLOORS = (
    "core",
    "keras_setup",
    "workers",
    "dvc_tools",
    "dataset",
    "balance",
    "augment",
    "scores",
    "model",
    "insight",
    "report",
    "comparison",
    "classifier",
    "export",
    "vendoring",
    "commands",
    "__main__",
)

Arrows = Mapping[tuple[str, str], str]  # importing room and imported one, and one place that does


def rooms(ballast: Path) -> set[str]:
    packages = {path.parent.name for path in ballast.glob("*/__init__.py")}
    return packages | {path.stem for path in ballast.glob("*.py")} - {"__init__"}


def arrows(ballast: Path) -> Arrows:
    known = rooms(ballast)
    found: dict[tuple[str, str], str] = {}
    for path in sorted(ballast.rglob("*.py")):
        file = path.relative_to(ballast)
        room = file.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            place = f"ballast/{file.as_posix()}:{node.lineno}"
            modules = [name.name for name in node.names]
            if isinstance(node, ast.ImportFrom):
                assert not node.level, f"{place} imports from {'.' * node.level}, not from ballast"
                modules = [f"{node.module}.{name}" for name in modules]
            for module in modules:
                top, _, below = module.partition(".")
                imported = below.split(".")[0]
                if top == "ballast" and imported in known - {room}:
                    found.setdefault((room, imported), f"{place} imports {module}")
    return found


def refuse_circles(found: Arrows) -> None:
    """End with the circle, if there is one, and with a place for each of its arrows."""
    below: dict[str, set[str]] = {}
    for room, imported in found:
        below.setdefault(room, set()).add(imported)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        # Of graphlib, each in the circle is imported by the next.
        circle: list[str] = error.args[1][::-1]
        places = [found[pair] for pair in pairwise(circle)]
        pytest.fail("\n".join([f"a circle of rooms: {' -> '.join(circle)}", *places]))


def refuse_upward(found: Arrows) -> None:
    """End with every import that goes up."""
    upward = [
        f"{place}, but {imported} is above {room}"
        for (room, imported), place in found.items()
        if FLOORS.index(imported) > FLOORS.index(room)
    ]
    if upward:
        pytest.fail("\n".join([f"imports that go up the floors {', '.join(FLOORS)}:", *upward]))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the code, to plant an import in."""
    return Path(shutil.copytree(BALLAST, tmp_path / "ballast"))


def plant(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")


def test_every_room_has_its_floor() -> None:
    assert sorted(FLOORS) == sorted(rooms(BALLAST))


def test_no_room_imports_itself_through_others() -> None:
    found = arrows(BALLAST)
    assert {("scores", "core"), ("comparison", "scores"), ("commands", "core")} <= found.keys()
    refuse_circles(found)


def test_no_import_goes_up() -> None:
    refuse_upward(arrows(BALLAST))


@pytest.mark.parametrize(
    "line",
    [
        "from ballast.comparison.runs import compare",
        "from ballast.comparison import runs",
        "from ballast import comparison",
        "import ballast.comparison.runs",
        "def later() -> None:\n    from ballast.comparison.runs import compare",
    ],
)
def test_an_import_that_goes_up_is_found(copied: Path, line: str) -> None:
    plant(copied / "report/palette.py", line)
    with pytest.raises(pytest.fail.Exception, match="but comparison is above report") as raised:
        refuse_upward(arrows(copied))
    assert "ballast/report/palette.py:" in str(raised.value)


def test_a_circle_is_found_with_its_places(copied: Path) -> None:
    plant(copied / "scores/metrics.py", "from ballast.comparison.runs import compare")
    with pytest.raises(pytest.fail.Exception, match="a circle of rooms: ") as raised:
        refuse_circles(arrows(copied))
    circle, *places = str(raised.value).splitlines()
    assert {"scores", "comparison"} <= set(circle.removeprefix("a circle of rooms: ").split(" -> "))
    assert len(places) == circle.count("->")
    assert any(place.startswith("ballast/scores/metrics.py:") for place in places)


def test_a_new_room_wants_a_floor(copied: Path) -> None:
    (copied / "attic").mkdir()
    (copied / "attic/__init__.py").touch()
    assert rooms(copied) - set(FLOORS) == {"attic"}
