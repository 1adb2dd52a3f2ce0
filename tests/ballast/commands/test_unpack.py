"""ballast unpack restores single files from what augment.pack packed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project


@pytest.fixture(scope="module")
def packed(
    new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project with its training images packed, and in `single` as they are without."""
    project = new_project(tmp_path_factory.mktemp("packed") / "project")
    for stage in ("split", "count_classes", "oversample"):
        assert project.stage(stage).returncode == 0
    (project.folder / "data/augmented").rename(project.folder / "single")
    project.set_params({"augment.pack": True})
    assert project.stage("oversample").returncode == 0
    return project


def unpack(project: Project, folder: str) -> subprocess.CompletedProcess[str]:
    return project.run(sys.executable, "-m", "ballast", "unpack", folder, check=False)


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_unpacked_images_are_what_an_unpacked_run_makes(packed: Project) -> None:
    done = unpack(packed, "looked at/images")
    assert done.returncode == 0, done.stderr
    assert files(packed.folder / "looked at/images") == files(packed.folder / "single")
    assert done.stdout == f"{len(files(packed.folder / 'single'))} images in looked at/images\n"


def test_packing_again_gives_the_same_shards(packed: Project) -> None:
    before = files(packed.folder / "data/augmented")
    packed.set_params({"runtime.workers": 1, "runtime.image_store": 0})
    assert packed.stage("oversample").returncode == 0
    assert files(packed.folder / "data/augmented") == before


def test_tar_alone_unpacks_the_same(packed: Project) -> None:
    target = packed.folder / "by tar"
    target.mkdir()
    for shard in (packed.folder / "data/augmented").iterdir():
        packed.run("tar", "--extract", "--file", str(shard), "--directory", str(target))
    assert files(target) == files(packed.folder / "single")


def test_it_overwrites_nothing(packed: Project) -> None:
    done = unpack(packed, "data")
    assert done.returncode == 1
    assert "ERROR: data: already exists; name a new folder" in done.stderr


def test_without_images_it_says_what_to_run(project: Project) -> None:
    done = unpack(project, "new")
    assert done.returncode == 1
    assert "ERROR: data/augmented.csv: does not exist yet; run dvc repro" in done.stderr
