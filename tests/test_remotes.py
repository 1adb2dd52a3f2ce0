"""What one clone pushes, another pulls, with real servers, cut connections and damage."""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from projects import Project
from servers import (
    CuttingProxy,
    Remote,
    kill_with_its_children,
    s3_server,
    serving,
    ssh_server_in,
)

KINDS = ["local", "ssh", "s3"]


@pytest.fixture(scope="module")
def first(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone with everything in its cache and workspace."""
    project = clone(reproduced, tmp_path_factory.mktemp("first") / "project")
    shutil.copytree(reproduced.folder / ".dvc/cache", project.folder / ".dvc/cache")
    project.dvc("checkout")
    return project


@pytest.fixture
def second(first: Project, tmp_path: Path) -> Project:
    """A fresh clone of the first."""
    return clone(first, tmp_path / "second")


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    command, remote = ssh_server_in(tmp_path_factory.mktemp("ssh"))
    with serving(command, remote.port):
        yield remote


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    with s3_server() as remote:
        yield remote


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    return Remote(str(tmp_path_factory.mktemp("local") / "storage"))


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of S3 that is gone is tried once, not for a minute."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(params=KINDS)
def remote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Remote:
    """An empty storage of each kind."""
    kind: str = request.param
    if kind == "ssh":  # its clients read keys and settings there
        (tmp_path / "home").mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
    of_kind: Remote = request.getfixturevalue(kind)
    return of_kind.below(tmp_path.name)


def clone(project: Project, folder: Path) -> Project:
    project.git("clone", "--quiet", ".", str(folder))
    return Project(folder)


def use(project: Project, remote: Remote, verify: bool = True) -> None:
    """Make a storage the default one, as dvc remote add and modify do with --local."""
    settings = {"url": remote.url, "verify": str(verify).lower(), **remote.settings}
    lines = ["[core]", "remote = storage", "['remote \"storage\"']"]
    lines += [f"{key} = {value}" for key, value in settings.items()]
    (project.folder / ".dvc/config.local").write_text("\n".join(lines))


def objects(project: Project) -> dict[str, bytes]:
    """DVC's cache: content by what its name says that its MD5 is."""
    top = project.folder / ".dvc/cache/files/md5"
    found = [path for path in top.rglob("*") if path.is_file()]
    return {"".join(path.relative_to(top).parts): path.read_bytes() for path in found}


def pushed_bytes(project: Project) -> int:
    """Total size of the objects of dvc.lock; the cache may have those of other runs, too."""
    held = objects(project)
    named = set(re.findall(r"md5: (\w+(?:\.dir)?)", project.read("dvc.lock"))) & held.keys()
    folders = [json.loads(held[name]) for name in named if name.endswith(".dir")]
    return sum(len(held[name]) for name in named | {of["md5"] for files in folders for of in files})


def damaged(project: Project) -> list[str]:
    return [
        name
        for name, data in objects(project).items()
        if hashlib.md5(data).hexdigest() != name.removesuffix(".dir")
    ]


def digest_of(project: Project, path: str) -> str:
    return hashlib.md5((project.folder / path).read_bytes()).hexdigest()


def try_dvc(project: Project, *arguments: str) -> tuple[int, str]:
    """Run DVC, whatever its exit code; return that and what it says."""
    done = project.run("dvc", *arguments, check=False)
    return done.returncode, done.stdout + done.stderr


def test_what_one_clone_pushes_another_pulls_and_nothing_runs(
    first: Project, second: Project, remote: Remote
) -> None:
    use(first, remote)
    use(second, remote)
    first.dvc("push")
    second.dvc("pull")
    assert second.outputs() == first.outputs()
    assert len(objects(second)) > 70
    assert objects(second).items() <= objects(first).items()
    assert second.repro() == ([], [])
    assert second.git("status", "--short") == ""


def test_the_commands_of_the_page_share_what_was_made(
    first: Project, second: Project, tmp_path: Path
) -> None:
    text = (Path(__file__).parent.parent / "docs/sharing.md").read_text(encoding="utf-8")
    section = text.split("\n## In short\n")[1].split("\n## ")[0]
    blocks = [block.split("```")[0] for block in section.split("```\n")[1::2]]
    assert len(blocks) == 2
    (first.folder / ".dvc/config.local").unlink(missing_ok=True)
    for project, block in ((first, blocks[0]), (second, blocks[1])):
        if project is second:  # as git carries it
            shutil.copy(first.folder / ".dvc/config", project.folder / ".dvc/config")
        for line in block.strip().splitlines():
            command = line.split("#")[0].removeprefix("uv run ")
            project.run(*command.replace("/path/to", str(tmp_path)).split())
    first.git("checkout", "--quiet", ".dvc/config")
    assert second.outputs() == first.outputs()
    assert second.repro() == ([], [])


def test_only_what_one_came_for_is_pulled(first: Project, second: Project, local: Remote) -> None:
    remote = local.below("parts")
    use(first, remote)
    use(second, remote)
    first.dvc("push")
    all_of_it, in_git = first.outputs(), second.outputs()

    def pulled() -> set[str]:
        return set(second.outputs()) - set(in_git)

    images = {path for path in all_of_it if path.startswith("data/augmented/")}
    second.dvc("pull", "data/augmented")
    assert pulled() == images
    assert len(images) > 50
    second.dvc("pull", "models")
    assert pulled() == images | {path for path in all_of_it if path.startswith("models/")}
    assert second.outputs().items() <= all_of_it.items()


@pytest.mark.long
def test_with_the_run_cache_params_are_flipped_without_running_what_another_clone_ran(
    first: Project, second: Project, local: Remote
) -> None:
    """All but evaluate: of its output metrics.json, which git keeps, DVC pushes no object."""
    remote = local.below("runs")
    use(first, remote)
    use(second, remote)
    first.dvc("push", "--run-cache")
    first.set_params({"strategy": "weights", "seed": 1})
    first.repro()
    flipped = first.outputs()
    first.dvc("push", "--run-cache")  # DVC pushes what belongs to the params of the moment
    first.git("checkout", "--quiet", ".")
    first.dvc("checkout")

    second.dvc("pull", "--run-cache")
    second.set_params({"strategy": "weights", "seed": 1})
    said = second.dvc("repro", "--pull")
    assert said.count("Running stage") == 1
    assert "Running stage 'evaluate'" in said
    assert second.outputs() == flipped
    second.git("checkout", "--quiet", "params.yaml")
    assert second.repro()[0] == ["evaluate"], "and back"
    assert second.outputs() == first.outputs()


@pytest.mark.parametrize(
    "remote", ["ssh", pytest.param("s3", marks=pytest.mark.long)], indirect=True
)
@pytest.mark.parametrize("share", [0.25, pytest.param(0.7, marks=pytest.mark.long)])
def test_a_push_and_a_pull_that_were_cut_off_end_well_when_repeated(
    first: Project, second: Project, remote: Remote, share: float
) -> None:
    size = pushed_bytes(first)
    proxy = CuttingProxy(remote.port)
    for project in (first, second):
        use(project, remote.at(proxy.port))

    proxy.allowed = int(size * share)
    code, said = try_dvc(first, "push")
    assert code != 0
    assert "ERROR" in said
    proxy.allowed = None
    first.dvc("push")

    proxy.allowed = int(size * share)
    code, said = try_dvc(second, "pull")
    assert code != 0
    assert "ERROR" in said
    assert damaged(second) == []
    proxy.allowed = None
    second.dvc("pull")
    proxy.close()
    assert second.outputs() == first.outputs()
    assert second.repro() == ([], [])


def test_a_server_that_is_killed_in_the_middle_and_comes_back_does_no_harm(
    first: Project, second: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("home", "server"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    command, remote = ssh_server_in(tmp_path / "server")
    caches = tmp_path / "server/storage", second.folder / ".dvc/cache"
    for project, action, cache in zip((first, second), ("push", "pull"), caches, strict=True):
        use(project, remote)
        with serving(command, remote.port) as server, ThreadPoolExecutor() as pool:
            killed = pool.submit(kill_when_filled, server.pid, cache, len(objects(first)) // 4)
            code, said = try_dvc(project, action)
            killed.result()
        assert code != 0
        assert "ERROR" in said
        assert damaged(project) == []
        with serving(command, remote.port):
            project.dvc(action)
    assert second.outputs() == first.outputs()
    assert second.repro() == ([], [])


def kill_when_filled(pid: int, folder: Path, files: int) -> None:
    """Kill a server once a folder has so many files."""
    for _ in range(10_000):
        if sum(path.is_file() for path in folder.rglob("*")) >= files:
            kill_with_its_children(pid)
            return
        time.sleep(0.005)
    raise AssertionError(f"{folder} has fewer than {files} files after a while")


def test_damage_in_the_storage_is_noticed_and_not_used(
    first: Project, second: Project, local: Remote
) -> None:
    remote = local.below("damage")
    use(first, remote)
    use(second, remote)
    first.dvc("push")
    for path in ("models/model.keras", "data/manifest.csv"):
        digest = digest_of(first, path)
        Path(remote.url, "files/md5", digest[:2], digest[2:]).write_bytes(b"garbage")
    code, said = try_dvc(second, "pull")
    assert code == 1
    _, _, named = said.partition("Checkout failed for following targets:\n")
    assert {"models", "data/manifest.csv"} <= set(named.splitlines())
    assert damaged(second) == []
    assert not (second.folder / "models").exists()
    # What docs/sharing.md says to do, by someone who has it all.
    shutil.rmtree(Path(remote.url, "files"))
    first.dvc("push")
    second.dvc("pull")
    assert second.outputs() == first.outputs()


def test_damage_that_was_pulled_without_verify_is_found_before_anything_is_trained_on_it(
    first: Project, second: Project, local: Remote
) -> None:
    remote = local.below("unverified")
    use(first, remote)
    use(second, remote, verify=False)
    first.dvc("push")
    digest = digest_of(first, "models/model.keras")
    Path(remote.url, "files/md5", digest[:2], digest[2:]).write_bytes(b"garbage")
    second.dvc("pull")
    assert (second.folder / "models/model.keras").read_bytes() == b"garbage"
    assert second.repro() == ([], []), "DVC takes it for sound"
    said = second.ballast("check").stderr
    assert "damaged since DVC wrote it; removed" in said
    assert not (second.folder / "models/model.keras").exists()


@pytest.mark.parametrize(
    ("url", "settings", "says"),
    [
        ("s3://nowhere/storage", {}, "The specified bucket does not exist"),
        ("s3://bucket/storage", {"endpointurl": "http://127.0.0.1:9"}, "Could not connect to"),
        ("ssh://127.0.0.1:9/storage", {}, "Connect call failed"),
        ("/nowhere/storage", {}, "Is your cache up to date?"),
    ],
)
def test_a_storage_that_is_not_there_is_an_error_and_no_damage(
    second: Project, s3: Remote, url: str, settings: dict[str, str], says: str
) -> None:
    before = second.outputs()
    of_s3 = s3.settings if url.startswith("s3:") else {}
    use(second, Remote(url, {**of_s3, **settings}))
    code, said = try_dvc(second, "pull")
    assert code != 0
    assert says in said
    assert "Traceback" not in said
    assert second.outputs() == before
    assert damaged(second) == []
    assert second.git("status", "--short") == ""


def test_a_key_that_the_server_does_not_know_is_refused(
    second: Project, ssh: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    second.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    use(second, Remote(ssh.url, {**ssh.settings, "keyfile": str(tmp_path / "other")}))
    code, said = try_dvc(second, "pull")
    assert code != 0
    assert "Permission denied for user" in said


def test_without_credentials_nothing_is_pulled(
    second: Project, s3: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    use(second, Remote(s3.url, {"endpointurl": s3.settings["endpointurl"]}))
    code, said = try_dvc(second, "pull")
    assert code != 0
    assert "Unable to locate credentials" in said


def test_a_full_disk_ends_a_pull_and_room_lets_it_go_on(
    first: Project, second: Project, local: Remote
) -> None:
    remote = local.below("full")
    use(first, remote)
    use(second, remote)
    first.dvc("push")
    (second.folder / ".dvc/cache").mkdir()
    done = second.in_namespace("""
        mount -t tmpfs -o size=1m none .dvc/cache || exit 97
        head -c 900k /dev/zero > .dvc/cache/filler
        dvc pull > said 2>&1 && exit 98
        rm .dvc/cache/filler
        mount -o remount,size=64m .dvc/cache || exit 99
        dvc pull
    """)
    assert done.returncode == 0, done.stderr
    assert "No space left on device" in second.read("said")
    assert second.outputs() == first.outputs()
