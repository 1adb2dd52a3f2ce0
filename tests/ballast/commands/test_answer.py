"""The answer that make ends with, of real runs and of odd ones."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project

from ballast.__main__ import main
from ballast.commands.answer import answer_text
from ballast.comparison.runs import answer
from ballast.core import paths
from ballast.core.files import read_json, write_json
from ballast.scores.advice import Recommendation
from ballast.scores.run import Arm, Run

MakeRun = Callable[..., Run]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """outputs/answer.json of an empty folder, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    paths.OUTPUTS.mkdir()
    return paths.ANSWER


def said(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["answer"]) == 0
    return capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")


def test_a_saved_model_worse_than_those_that_judged_is_named_after_the_verdicts(
    make_run: MakeRun, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(make_run("balanced", ["cat", "dog", "elk"]), None, {})
    write_json(written, found._replace(saved_model="The saved model alone classifies 25 %."))
    assert said(capsys).split("\n\n")[2] == "The saved model alone classifies 25 %."


def test_figures_then_verdicts_then_what_to_do_then_what_was_left_out(
    make_run: MakeRun, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, run = (make_run(name, ["cat", "dog", "elk"]) for name in ("baseline", "balanced"))
    found = answer(run, Arm(*reference[:4]), {"not an image": 2, "broken image": 1}, 2)
    write_json(written, found)
    paths.REPORT.touch()
    assert found.difference
    parts = said(capsys).rstrip("\n").split("\n\n")
    table, verdict, difference, advice, conflicts, left_out, last = parts
    assert table.splitlines()[0].split() == [
        "class",
        "train",
        "judged",
        "recall",
        "precision",
        "f1",
    ]
    assert table.splitlines()[2].split()[:4] == ["cat", "1", "4", "0.75"]
    assert verdict == found.verdict.replace("\N{NO-BREAK SPACE}", " ")
    assert difference == found.difference.verdict.replace("\N{NO-BREAK SPACE}", " ")
    assert advice.splitlines()[0] == "What to do:"
    assert advice.splitlines()[1].endswith("Collect at least 10 to train on. -> then make")
    assert conflicts == (
        "2 pictures are in more than one class (outputs/data_report.json: label_conflicts): decide"
        " which label is right"
    )
    assert left_out.splitlines() == [
        "Left out: 3 files (outputs/rejected.csv)", "- 2 not an image", "- 1 broken image",
    ]  # fmt: skip
    assert last == "Open outputs/report.html"


def test_three_recommendations_are_enough_for_a_terminal(
    make_run: MakeRun, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    advice = [Recommendation("rule", f"Do {n}.", "make") for n in range(5)]
    found = answer(make_run("mine", ["cat", "dog"]), None, {})
    write_json(written, found._replace(recommendations=advice))
    lines = said(capsys).splitlines()
    start = lines.index("What to do:") + 1
    assert lines[start : start + 4] == [
        *(f"- Do {n}. -> then make" for n in range(3)),
        "- 2 more in outputs/report.html",
    ]
    assert "Left out" not in "".join(lines)
    assert "in more than one class" not in "".join(lines)
    assert lines[-1] == "outputs/report.html is missing; make brings it back"


def test_it_says_how_long_the_comparison_takes_after_a_run(
    make_run: MakeRun, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(written, answer(make_run("balanced", ["cat", "dog"]), None, {}))
    assert "-> make compare\n" in said(capsys)
    write_json(paths.STAGE_TIMES, {"oversample": 100.0, "train": 200.0, "evaluate": 3.0})
    assert "-> make compare (about 10 minutes)\n" in said(capsys)


def test_names_keep_their_letters_and_send_nothing_to_the_terminal(
    make_run: MakeRun, written: Path
) -> None:
    write_json(written, answer(make_run("mine", ["1e3", "1.10", "a\x1b[2Jb"]), None, {}))
    text = answer_text(read_json(written))
    assert "\n1e3 " in text
    assert "\n1.10 " in text
    assert "\x1b" not in text


@pytest.mark.parametrize("content", [None, "[]", "{", json.dumps({"metrics": {}})])
def test_a_missing_or_edited_answer_is_one_line(
    content: str | None, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        written.write_text(content)
    with pytest.raises(SystemExit, match=r"outputs/answer\.json"):
        main(["answer"])
    del capsys


def test_the_first_line_says_what_keeps_it_from_telling_what_has_changed(
    project: Project,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(project.folder)
    project.git("init", "--quiet")
    write_json(paths.ANSWER, answer(make_run("mine", ["cat", "dog"]), None, {}))
    paths.PARAMS.write_text("seed: 42\n  data: {}\n")
    assert said(capsys).splitlines()[0] == (
        "Perhaps of an earlier run; what has changed since cannot be told: params.yaml line 2,"
        " column 7: mapping values are not allowed here"
    )
