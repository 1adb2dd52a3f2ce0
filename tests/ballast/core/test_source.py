"""Hashes of code change with the code, and with nothing else."""

from pathlib import Path

import pytest
import yaml

from ballast.core.source import code_deps, source_hash

STAGES = yaml.safe_load("""
  train:
    cmd: python -m stages.train
    deps: [ballast/core, ballast/model, stages/train.py, data/manifest.csv]
  evaluate:
    cmd: python -m stages.evaluate
    deps: [ballast/core, stages/evaluate.py]
  odd:
    cmd: echo
    deps: [data/manifest.csv]
""")


@pytest.fixture
def room(tmp_path: Path) -> Path:
    for name in ("a.py", "below/b.py", "page.html"):
        path = tmp_path / "room" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "room"


def test_a_line_of_any_module_of_a_room_changes_the_hash(room: Path) -> None:
    before = source_hash([room])
    (room / "below/b.py").write_text("another line")
    assert source_hash([room]) != before


def test_the_hash_does_not_depend_on_order_place_or_other_files(room: Path) -> None:
    files = [room / "a.py", room / "below/b.py"]
    assert source_hash(files) == source_hash(files[::-1]) == source_hash([room])
    (room / "page.html").write_text("another page")
    moved = room.rename(room.with_name("elsewhere"))
    assert source_hash([moved]) == source_hash([moved / "below", moved / "a.py"])


def test_a_place_without_code_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="contains no Python source"):
        source_hash([tmp_path])
    with pytest.raises(FileNotFoundError):
        source_hash([tmp_path / "gone.py"])


def test_the_code_of_stages_is_what_they_depend_on_of_it() -> None:
    assert code_deps(STAGES, ["train", "evaluate"]) == [
        Path("ballast/core"),
        Path("ballast/model"),
        Path("stages/evaluate.py"),
        Path("stages/train.py"),
    ]


def test_a_stage_without_code_is_an_error() -> None:
    with pytest.raises(ValueError, match="stage odd has no code dependencies"):
        code_deps(STAGES, ["odd"])
