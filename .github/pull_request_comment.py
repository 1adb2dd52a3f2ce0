"""Show a run of the pipeline as Markdown, in the run's summary or as its pull request's comment.

    python3 .github/pull_request_comment.py show FOLDER
    python3 .github/pull_request_comment.py post FOLDER

FOLDER has what .github/workflows/pipeline.yml collects of a run: answer.txt, confusion.csv,
metrics.json and pictures. Code of the pull request wrote these files, and `post` runs where the
token can write. It therefore takes files of known names and limited size alone, and puts every text
of theirs into code, where GitHub interprets nothing: no HTML, no link, no @name.

Needs only Python, git and gh.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MARKER = "<!-- ballast: pipeline -->"  # starts the comment, by which later runs find it
AUTHOR = "github-actions[bot]"
PICTURES = {
    "confusion.png": "Confusion matrix",
    "confusion_before.png": "Confusion matrix of the target branch",
    "class_counts.png": "Photographs per class",
}
# Each pull request has a ref of its own with one commit, so that the address of its pictures stays
# valid until its next run. It is no branch: neither lists of branches nor clones include it.
REFS = "refs/pipeline-pictures"
KEPT_REFS = 50  # of the newest pull requests; the pictures of others are removed

# GitHub refuses a comment of more than 65536 characters; with these, none gets there.
MOST_BYTES = 1_000_000  # of a file
MOST_ROWS = 50  # of a table
MOST_IN_CELL = 60
MOST_IN_ANSWER = 20_000
COLUMNS = 100  # that fit a comment without scrolling


def main() -> None:
    """Run the command that is named."""
    command, folder = sys.argv[1:]
    if command == "show":
        print(markdown(Path(folder), os.environ["GITHUB_BASE_REF"]))
    else:
        assert command == "post"
        post(Path(folder), os.environ)


def markdown(folder: Path, base: str) -> str:
    """Format what a run left in a folder, without its pictures."""
    parts = []
    if answer := read(folder / "answer.txt"):
        parts.append(f"```\n{wrapped(answer)[:MOST_IN_ANSWER]}\n```")
    if metrics := read(folder / "metrics.json"):
        parts += [f"### Metrics that differ from {code(base)}", metrics_table(metrics)]
    if confusion := read(folder / "confusion.csv"):
        parts += ["### Which class was predicted as which", confusion_table(confusion)]
    return "\n\n".join(parts or ["The pipeline did not run to its end."])


def wrapped(answer: str) -> str:
    """Wrap the sentences of an answer, but not the table before them."""
    table, _, sentences = plain(answer).partition("\n\n")
    lines = [
        textwrap.fill(
            line,
            COLUMNS,
            subsequent_indent="  " if line.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,  # of commands
        )
        for line in sentences.splitlines()
    ]
    return "\n".join([table, "", *lines])


def metrics_table(text: str) -> str:
    """Format what dvc metrics diff --json says."""
    try:
        files = json.loads(text)
        rows = [
            [code(name), *(number(values.get(key)) for key in ("old", "new", "diff"))]
            for metrics in files.values()
            for name, values in sorted(metrics.items())
        ]
    except (AttributeError, RecursionError, TypeError, ValueError):
        return "Not readable."
    return table(["metric", "before", "after", "change"], rows) if rows else "None."


def confusion_table(text: str) -> str:
    """Count the photographs of each true and predicted class."""
    try:
        pairs = Counter(tuple(row) for row in csv.reader(text.splitlines(keepends=True)[1:]))
    except csv.Error:
        return "Not readable."
    rows = [[*map(code, pair), str(count)] for pair, count in sorted(pairs.items())]
    return table(["true", "predicted", "photographs"], rows)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table of its first rows."""
    lines = [headers, ["---"] * len(headers), *(row[: len(headers)] for row in rows[:MOST_ROWS])]
    more = len(rows) - MOST_ROWS
    end = [f"\n{more} more in the report."] if more > 0 else []
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *end])


def number(value: object) -> str:
    """Format a value of a metric."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else code(str(value))


def code(text: str) -> str:
    """Format a text as code in one line, so that nothing in it is Markdown or HTML."""
    line = plain(text.replace("\n", " "))
    short = line if len(line) <= MOST_IN_CELL else f"{line[: MOST_IN_CELL - 1]}…"
    return f"`{short}`" if short.strip() else ""


def plain(text: str) -> str:
    """Replace characters that end code or a cell by similar ones, and escape unprintable ones."""
    text = text.translate({ord("`"): "'", ord("|"): "¦", ord("\N{NO-BREAK SPACE}"): " "})
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def read(file: Path) -> str:
    """Read a text; empty if it is missing, no plain file, or too large."""
    return file.read_text(encoding="utf-8", errors="replace") if usable(file) else ""


def usable(file: Path) -> bool:
    """Tell whether this is a plain file of limited size."""
    return file.is_file() and not file.is_symlink() and file.stat().st_size <= MOST_BYTES


def is_picture(file: Path) -> bool:
    """Tell whether this is a PNG file of limited size."""
    return usable(file) and file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def post(folder: Path, environment: Mapping[str, str]) -> None:
    """Write the comment, or update it if there is one."""
    repository, pull = environment["GITHUB_REPOSITORY"], int(environment["PULL_REQUEST"])
    page = f"{environment['GITHUB_SERVER_URL']}/{repository}"
    pictures = [name for name in PICTURES if is_picture(folder / name)]
    commit = push([folder / name for name in pictures], page, pull) if pictures else ""
    run = f"{page}/actions/runs/{environment['GITHUB_RUN_ID']}"
    ended = "run" if environment["RESULT"] == "success" else "**failed run**"
    body = "\n\n".join(
        [
            MARKER,
            f"Pipeline: [{ended}]({run}) of {environment['HEAD']}",
            markdown(folder, environment["GITHUB_BASE_REF"]),
            *(
                f"{PICTURES[name]}:\n\n![{name}]({page}/blob/{commit}/{name}?raw=true)"
                for name in pictures
            ),
        ]
    )
    issues = f"repos/{repository}/issues"
    pages = json.loads(gh("--paginate", "--slurp", f"{issues}/{pull}/comments?per_page=100"))
    earlier = marked(comment for page in pages for comment in page)
    method, place = ("PATCH", f"comments/{earlier}") if earlier else ("POST", f"{pull}/comments")
    gh("--method", method, f"{issues}/{place}", "--input", "-", given=json.dumps({"body": body}))


def marked(comments: Iterable[Mapping[str, Any]]) -> int | None:
    """Find this script's comment, and not one in which somebody else wrote the marker."""
    for comment in comments:
        if comment["user"]["login"] == AUTHOR and comment["body"].startswith(MARKER):
            return int(comment["id"])
    return None


def gh(*arguments: str, given: str | None = None) -> str:
    """Call GitHub's API."""
    return output("gh", "api", *arguments, given=given)


def push(pictures: Sequence[Path], remote: str, pull: int) -> str:
    """Push pictures as the one commit of the pull request's ref; return its hash."""
    with tempfile.TemporaryDirectory() as folder:

        def git(*arguments: str) -> str:
            return output(
                "git", "-C", folder, "-c", f"user.name={AUTHOR}",
                "-c", f"user.email=41898282+{AUTHOR}@users.noreply.github.com",
                "-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential",
                *arguments,
            )  # fmt: skip

        git("init", "--quiet", "--initial-branch", "pictures")
        for picture in pictures:
            shutil.copy(picture, folder)
        git("add", ".")
        git("commit", "--quiet", "--message", f"Pictures of pull request {pull}")
        names = [line.split("/")[-1] for line in git("ls-remote", remote, f"{REFS}/*").splitlines()]
        others = sorted({int(name) for name in names if name.isdecimal()} - {pull}, reverse=True)
        removed = [f":{REFS}/{other}" for other in others[KEPT_REFS - 1 :]]
        git("push", "--quiet", "--force", remote, f"HEAD:{REFS}/{pull}", *removed)
        return git("rev-parse", "HEAD").strip()


def output(*command: str, given: str | None = None) -> str:
    """Run a command; return what it prints."""
    return subprocess.run(
        command, input=given, stdout=subprocess.PIPE, encoding="utf-8", check=True
    ).stdout


if __name__ == "__main__":
    main()
