"""The comment of a pull request: it is one, its pictures show, and what it shows stays data."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pull_request_comment
import pytest
from fake_github import FakeGitHub
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pull_request_comment import KEPT_REFS, MARKER, code, markdown, table

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = [
    '<img src="x" onerror="evil()">',
    "![evil](https://evil.example/p.png)",
    "`evil` @evil #1 https://evil.example",
    "| evil | $(evil) `evil` | -->",
    "a\n```\n# evil\n\n<script>evil()</script>",
    "```` evil \\| \\`",
    "\u202eevil\x00",
]


@pytest.fixture
def github(tmp_path: Path) -> FakeGitHub:
    """An empty GitHub."""
    github = FakeGitHub(tmp_path / "github")
    github.start()
    return github


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """What a run left."""
    return leave(tmp_path / "shown", "verdict", ["owl", "wren"])


def leave(folder: Path, verdict: str, classes: list[str]) -> Path:
    folder.mkdir()
    (folder / "answer.txt").write_text(f"class\n-----\n{classes[0]}\n\n{verdict}\n")
    old_and_new = {"old": 0.25, "new": 0.5, "diff": 0.25}
    metrics = {f"recall.{name}": old_and_new for name in classes}
    (folder / "metrics.json").write_text(json.dumps({"outputs/metrics.json": metrics}))
    with (folder / "confusion.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["true", "predicted"], classes[:2], classes[:2]])
    (folder / "confusion.png").write_bytes(PNG + b"confusion")
    (folder / "class_counts.png").write_bytes(PNG + b"counts")
    return folder


def post(github: FakeGitHub, shown: Path, pull: int = 7, result: str = "success") -> str:
    """Post; return the latest body."""
    environment = {
        **github.environment(os.environ["PATH"]),
        "HOME": str(github.folder / "no home"),
        "HEAD": "5ca1ab1e",
        "PULL_REQUEST": str(pull),
        "RESULT": result,
    }
    command = [sys.executable, "-I", pull_request_comment.__file__, "post", str(shown)]
    subprocess.run(command, env=environment, check=True)
    body: str = github.comments()[-1]["body"]
    return body


def pictures(body: str) -> dict[str, str]:
    """The commit of each picture in a comment."""
    found = re.findall(r"!\[[\w.]+\]\(file://\S+/ada/birds/blob/(\w+)/(\w+\.png)\?raw=true\)", body)
    return {name: commit for commit, name in found}


def tokens(text: str) -> list[Token]:
    """Parse Markdown as GitHub does."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [inner for token in parsed for inner in (token.children or [token])]


def test_the_first_run_comments_and_a_later_run_updates_that_comment(
    github: FakeGitHub, shown: Path, tmp_path: Path
) -> None:
    first = post(github, shown)
    assert first.startswith(MARKER)
    assert "verdict" in first
    assert "| `recall.owl` | 0.25 | 0.5 | 0.25 |" in first
    assert "| `owl` | `wren` | 2 |" in first
    second = post(github, leave(tmp_path / "again", "another verdict", ["owl", "wren"]))
    assert [comment["body"] for comment in github.comments()] == [second]
    assert "another verdict" in second
    issues = "repos/ada/birds/issues"
    assert [call[1:4] for call in github.calls() if "--method" in call] == [
        ["--method", "POST", f"{issues}/7/comments"],
        ["--method", "PATCH", f"{issues}/comments/100"],
    ]


def test_comments_of_others_stay_as_they_are(github: FakeGitHub, shown: Path) -> None:
    others = [
        {"id": 1, "user": {"login": "eve"}, "body": f"{MARKER} mine"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": f"of another job: {MARKER}"},
    ]
    github.set_comments(others)
    post(github, shown)
    github.set_comments([*github.comments(), {**others[1], "id": 9}])
    post(github, shown)
    assert [comment["id"] for comment in github.comments()] == [1, 2, 102, 9]
    assert [*github.comments()[:2], github.comments()[3]] == [*others, {**others[1], "id": 9}]


def test_pictures_are_the_only_commit_of_a_ref_that_no_clone_gets(
    github: FakeGitHub, shown: Path
) -> None:
    post(github, shown)
    (shown / "confusion.png").write_bytes(PNG + b"of the second run")
    of_body = pictures(post(github, shown))
    assert list(of_body) == ["confusion.png", "class_counts.png"]
    assert github.picture(of_body["confusion.png"], "confusion.png") == PNG + b"of the second run"
    assert github.picture(of_body["class_counts.png"], "class_counts.png") == PNG + b"counts"
    assert github.refs() == ["refs/pipeline-pictures/7"]
    assert github.git("rev-list", "--all").split() == [of_body["confusion.png"]]


def test_pull_requests_have_pictures_of_their_own_and_the_newest_keep_them(
    github: FakeGitHub, shown: Path
) -> None:
    post(github, shown, pull=3)
    commit = github.git("rev-parse", "refs/pipeline-pictures/3").strip()
    for number in [*range(100, 100 + KEPT_REFS), "by hand"]:
        github.git("update-ref", f"refs/pipeline-pictures/{number}".replace(" ", "-"), commit)
    github.git("update-ref", "refs/heads/main", commit)
    post(github, shown, pull=4)
    kept = {ref.split("/")[-1] for ref in github.refs()}
    assert kept == {"main", "by-hand", "4", *map(str, range(101, 100 + KEPT_REFS))}


def test_only_known_pictures_of_limited_size_are_pushed(github: FakeGitHub, shown: Path) -> None:
    (shown / "evil.png").write_bytes(PNG)
    (shown / "confusion_before.png").write_bytes(b"<svg onload='evil()'>")
    (shown / "class_counts.png").unlink()
    (shown / "class_counts.png").symlink_to(shown / "evil.png")
    assert list(pictures(post(github, shown))) == ["confusion.png"]
    (shown / "confusion.png").write_bytes(PNG + bytes(2_000_000))
    assert "![" not in post(github, shown)


def test_a_failed_run_is_said_to_have_failed(github: FakeGitHub, tmp_path: Path) -> None:
    body = post(github, tmp_path / "nothing", result="failure")
    assert "[**failed run**](file://" in body
    assert "/ada/birds/actions/runs/4711) of 5ca1ab1e" in body
    assert body.endswith("The pipeline did not run to its end.")


@pytest.mark.parametrize("metrics", ["", "[1]", "{", '{"a": {"b": 1}}', "[" * 100_000, "{}"])
def test_metrics_that_are_none_do_not_end_the_comment(shown: Path, metrics: str) -> None:
    (shown / "metrics.json").write_text(metrics)
    assert "| `owl` | `wren` | 2 |" in markdown(shown, "main")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_class_name_stays_data(github: FakeGitHub, tmp_path: Path, name: str) -> None:
    body = post(github, leave(tmp_path / "shown", f"verdict: {name}", [name, "wren"]))
    found = tokens(body)
    assert [token.content.strip() for token in found if "html" in token.type] == [MARKER]
    links = [str(token.attrs.get("href") or token.attrs.get("src")) for token in found]
    assert all(link == "None" or link.startswith(github.folder.as_uri()) for link in links)
    inert = ("code_inline", "fence")
    assert "evil" not in "".join(token.content for token in found if token.type not in inert)
    assert "evil" in "".join(token.content for token in found if token.type == "code_inline")
    assert sum(token.type == "fence" for token in found) == 1
    rows = [token.type for token in found].count("tr_open")
    assert rows == 2 + 2 + 1, "two headers, two classes, one pair"


@given(st.text())
def test_every_text_is_one_code_in_one_cell(text: str) -> None:
    inner = [token for token in tokens(table(["a", "b"], [[code(text), "c"]])) if token.content]
    contents = [token.content for token in inner]
    assert contents[:2] == ["a", "b"]
    assert contents[-1] == "c"
    assert [token.type for token in inner[2:-1]] == ["code_inline"] * bool(code(text))


def test_the_longest_comment_is_one_that_github_takes(shown: Path) -> None:
    names = [f"{place} {'x' * 1000}" for place in range(301)]
    values = {"old": "y" * 1000, "new": "z" * 1000, "diff": 1e300}
    (shown / "metrics.json").write_text(json.dumps({"m": dict.fromkeys(names[1:], values)}))
    (shown / "confusion.csv").write_text("".join(f"{name},{name}\n" for name in names))
    (shown / "answer.txt").write_text("word " * 100_000)
    text = markdown(shown, "main")
    assert 30_000 < len(text) < 65_000
    assert text.count("250 more in the report.") == 2
