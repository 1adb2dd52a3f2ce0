"""make verify: harmless conditions change no byte, and real differences are found and named."""

import os
from pathlib import Path

import pytest
from projects import Project

from verification.differences import Difference, missing_tool, single_differences, together
from verification.report import problems, table_text
from verification.rows import Report, Row, verify, verify_processors


@pytest.mark.long
def test_all_differences_at_once_and_a_kill_in_every_stage_change_no_byte(
    reproduced: Project, tmp_path: Path
) -> None:
    """The short form of make verify."""
    names = ["all of these together", "SIGKILL in every stage"]
    _, rows = verify(reproduced.folder, tmp_path, epochs=None, jobs=2, only=names)
    assert [row.name for row in rows] == ["dvc.lock in git", *names]
    assert [row for row in rows if row.skipped] == [], "install what docs/same-bytes.md names"
    assert problems(rows) == []


@pytest.mark.long
def test_dask_changes_no_byte(project: Project, tmp_path: Path) -> None:
    project.commit_all()
    stages = ["split", "count-classes", "oversample"]
    _, rows = verify(project.folder, tmp_path / "verified", 2, 2, ["engine dask"], stages)
    assert [(row.name, row.skipped) for row in rows[1:]] == [("engine dask", "")]
    assert problems(rows[1:]) == []


def test_an_output_that_depends_on_the_locale_is_found_and_named(project: Project) -> None:
    script = project.folder / "stages/split.py"
    text = script.read_text(encoding="utf-8")
    mark = 'write_csv(paths.REJECTED, ("path", "reason"), rejected)'
    assert mark in text
    leak = mark.replace("rejected)", '[("locale", __import__("os").environ.get("LC_ALL", ""))])')
    script.write_text(text.replace(mark, leak), encoding="utf-8")
    project.commit_all()
    done = project.run(
        "python", "-m", "verification", "--stages", "split", "--only", "locale C", check=False
    )
    assert done.returncode == 1
    table, _, words = done.stdout.partition("dvc.lock in git: not run: HEAD has no dvc.lock")
    assert table.count("DIFFERENT") == 1
    assert "locale C: DIFFERENT, first in outputs/rejected.csv, line 2" in words
    assert "expected: locale,\n  found:    locale,C" in words


def test_without_git_it_says_so(project: Project) -> None:
    done = project.run("python", "-m", "verification", check=False)
    assert done.returncode == 1
    assert "no git repository; make verify clones a commit" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_data_stages_give_the_same_bytes_on_an_old_processor(
    reproduced: Project, tmp_path: Path
) -> None:
    old = "processor Nehalem"
    written, rows = verify_processors(reproduced.folder, tmp_path, jobs=1, only=[old])
    assert {"data/manifest.csv", "data/augmented", "outputs/class_weights.json"} <= set(written)
    assert rows[1:] == [Row(old)]


@pytest.mark.long
def test_features_and_head_give_the_same_bytes_with_other_kernels(
    features_project: Project, tmp_path: Path
) -> None:
    kernels = ["OpenBLAS for Prescott", "oneDNN off", "one core"]
    written, rows = verify_processors(features_project.folder, tmp_path, jobs=1, only=kernels)
    assert {"models", "outputs/history.csv", "outputs/predictions.csv"} <= set(written)
    assert rows[1:] == [Row(name) for name in kernels]


def test_together_keeps_every_single_difference(tmp_path: Path) -> None:
    singles = single_differences(tmp_path)
    merged = together(singles)
    for single in singles:
        assert set(single.command) <= set(merged.command)
        assert set(single.environment) <= set(merged.environment)
    assert merged.reversed_raw
    assert (merged.umask, merged.workers) == (0o077, 7)


def test_a_row_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    one_core = Difference("one core", command=("taskset", "--cpu-list", "0"))
    assert missing_tool(one_core) is None
    engine = Difference("engine dask", engine="dask")
    assert missing_tool(engine) is None
    monkeypatch.setattr("verification.differences.find_spec", lambda _: None)
    assert missing_tool(engine) == "dask"
    monkeypatch.setenv("PATH", "")
    assert missing_tool(one_core) == "taskset"
    assert missing_tool(Difference("here")) is None
    assert missing_tool(Difference("emulated", processor="Nehalem")) == "qemu-x86_64"


def test_a_row_needs_a_gpu_that_tensorflow_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = (one for one in single_differences(tmp_path) if one.name == "without the GPU")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")  # as if there were none
    driver = tmp_path / "bin/nvidia-smi"
    for _ in range(2):  # without and with NVIDIA's driver
        assert missing_tool(row) == "a GPU that TensorFlow can use"
        driver.parent.mkdir(exist_ok=True)
        driver.write_text("#!/bin/sh\n")
        driver.chmod(0o755)
        monkeypatch.setenv("PATH", f"{driver.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("verification.differences.has_gpu", lambda: True)
    assert missing_tool(row) is None


def test_the_table_tells_same_different_failed_and_not_run() -> None:
    rows = [
        Row("a", different=["data/manifest.csv"]),
        Row("b", failed="no space"),
        Row("c", skipped="faketime is not installed"),
    ]
    lines = table_text(Report(["data/manifest.csv", "models"], rows)).splitlines()
    assert [line.split()[1:] for line in lines[-3:]] == [
        ["DIFFERENT", "same"],
        ["FAILED", "FAILED"],
        ["not", "run", "not", "run"],
    ]
