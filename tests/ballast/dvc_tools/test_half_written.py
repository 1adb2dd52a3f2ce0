"""JSON files that DVC was killed while writing."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from ballast.dvc_tools.half_written import clear_incomplete, clear_running


@pytest.mark.parametrize("folder", [".", "exps"])
@pytest.mark.parametrize("left", ["", '{"read": {"/a": [{"pid": 1, "cm'])
def test_an_incomplete_list_of_what_runs_is_removed(tmp_path: Path, folder: str, left: str) -> None:
    repo = Repo.init(str(tmp_path), no_scm=True)
    running = Path(repo.tmp_dir, folder, "rwlock")
    running.parent.mkdir(exist_ok=True)
    running.write_text(left)
    assert clear_running(repo) == [running]
    assert not running.exists()
    assert clear_running(repo) == []


def test_what_is_complete_or_missing_stays(tmp_path: Path) -> None:
    (tmp_path / "whole").write_text('{"read": {}}')
    assert clear_incomplete([tmp_path / "whole", tmp_path / "missing", tmp_path]) == []
    assert (tmp_path / "whole").exists()
