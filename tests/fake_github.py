"""A stand-in for GitHub: a bare repository, and a gh that keeps artifacts and comments in files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = "ada/birds"
GH = """
import json
import shutil
import sys
from pathlib import Path

folder = Path(__file__).parent.parent
arguments = sys.argv[1:]
with (folder / "calls.jsonl").open("a") as file:
    file.write(json.dumps(arguments) + "\\n")
if arguments[0] == "run":
    if not (folder / "artifact").exists():
        sys.exit("no valid artifacts found to download")
    shutil.copytree(folder / "artifact", arguments[-1], symlinks=True)
    sys.exit()
assert arguments[0] == "api"
comments = json.loads((folder / "comments.json").read_text())
if "--paginate" in arguments:
    assert "--slurp" in arguments
    print(json.dumps([comments[:1], comments[1:]]))
    sys.exit()
body = json.load(sys.stdin)["body"]
method, path = arguments[2], arguments[3].split("/")
if method == "PATCH":
    (comment,) = [comment for comment in comments if str(comment["id"]) == path[-1]]
    comment["body"] = body
else:
    assert (method, path[-1]) == ("POST", "comments")
    user = {"login": "github-actions[bot]"}
    comments.append({"id": 100 + len(comments), "user": user, "body": body})
(folder / "comments.json").write_text(json.dumps(comments))
"""


class FakeGitHub(NamedTuple):
    """What is stored in a folder; programs find its gh in bin."""

    folder: Path

    def start(self) -> None:
        """Create a repository without a branch, and a pull request without a comment."""
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "bin/gh").write_text(f"#!{sys.executable}\n{GH}")
        (self.folder / "bin/gh").chmod(0o755)
        self.set_comments([])
        self.folder.joinpath(REPOSITORY).mkdir(parents=True)
        self.git("init", "--quiet", "--bare")

    def git(self, *arguments: str) -> str:
        """Run git in the repository."""
        command = ["git", "-C", str(self.folder / REPOSITORY), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def picture(self, commit: str, name: str) -> bytes:
        """Read a picture of a commit."""
        command = ["git", "-C", str(self.folder / REPOSITORY), "show", f"{commit}:{name}"]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def refs(self) -> list[str]:
        """Name everything that keeps a commit."""
        return self.git("for-each-ref", "--format=%(refname)").splitlines()

    def comments(self) -> list[dict[str, Any]]:
        """The comments of the pull request."""
        comments: list[dict[str, Any]] = json.loads((self.folder / "comments.json").read_text())
        return comments

    def set_comments(self, comments: list[dict[str, Any]]) -> None:
        """Replace the comments of the pull request."""
        (self.folder / "comments.json").write_text(json.dumps(comments))

    def calls(self) -> list[list[str]]:
        """The arguments of each call of gh."""
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    def environment(self, path: str) -> dict[str, str]:
        """The variables of a job's environment that name this GitHub."""
        return {
            "PATH": f"{self.folder / 'bin'}:{path}",
            "GITHUB_SERVER_URL": self.folder.as_uri(),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "4711",
            "GITHUB_BASE_REF": "main",
        }
