"""What a model file is, and what is said of one that is none."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damage import FLIPS, damages

from ballast.core.errors import UserError
from ballast.core.paths import MODEL
from ballast.model.model_file import (
    INFO,
    ModelInfo,
    archive,
    info_bytes,
    npz_arrays,
    npz_bytes,
    read_info,
    refuse_damage,
)

WHOLE = archive({INFO: b"{}" * 100})


@pytest.fixture(autouse=True)
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The top of a project, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").touch()
    MODEL.parent.mkdir()


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_info(path)
    return str(caught.value)


def test_a_whole_archive_is_not_refused() -> None:
    MODEL.write_bytes(WHOLE)
    refuse_damage(MODEL)


def test_a_missing_file_is_made_found_elsewhere_or_misspelled() -> None:
    assert refusal(MODEL) == f"{MODEL}: no model yet; run dvc repro, or dvc pull models"
    assert refusal(Path("mine.keras")) == "mine.keras: no such file"
    Path("params.yaml").unlink()
    assert refusal(MODEL) == (
        f"{MODEL}: no such file; run from the top of the project, or give --model"
    )


@pytest.mark.parametrize("content", [b"", WHOLE[:100]])
def test_an_archive_that_was_cut_off_is_damaged(content: bytes) -> None:
    path = Path("mine.keras")
    path.write_bytes(content)
    assert refusal(path) == f"{path}: incomplete or damaged; run ballast check, then dvc repro"


def test_what_is_no_archive_is_no_model_unless_a_stage_wrote_it() -> None:
    for path in (Path("README.md"), MODEL):
        path.write_bytes(b"# Ballast")
    assert refusal(Path("README.md")) == "README.md: not a .keras file"
    assert refusal(MODEL) == f"{MODEL}: incomplete or damaged; run ballast check, then dvc repro"


def test_a_file_of_another_program_is_named() -> None:
    Path("photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    assert refusal(Path("photo.jpg")) == "photo.jpg: not saved by Ballast: a JPEG image"
    assert refusal(MODEL.parent) == "models: not saved by Ballast: a folder"


def test_arrays_are_written_alike_by_every_python() -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "none": np.empty((0, 4), np.float32)}
    data = npz_bytes(arrays)
    with np.load(io.BytesIO(data), allow_pickle=False) as read:
        assert {name: read[name].tolist() for name in read.files} == {
            name: values.tolist() for name, values in arrays.items()
        }
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        for entry in opened.infolist():
            assert (entry.extract_version, entry.extra) == (20, b""), "no zip64, unlike np.savez"
            assert data[entry.header_offset + 18 : entry.header_offset + 26] == (
                entry.file_size.to_bytes(4, "little") * 2
            )
    assert {name: values.tolist() for name, values in npz_arrays(data).items()} == {
        name: values.tolist() for name, values in arrays.items()
    }


@pytest.mark.parametrize("flipped", FLIPS)
def test_a_damaged_byte_is_an_error_or_changes_nothing(flipped: int) -> None:
    info = ModelInfo(["cat", "dog"], 50.0, 2)
    whole = archive({INFO: info_bytes(info)})
    refused = 0
    for damaged in damages(whole, flipped):
        MODEL.write_bytes(damaged)
        try:
            assert read_info(MODEL) == info  # the byte of a time, for example
        except UserError:
            refused += 1
    assert refused > len(whole) / 2


@pytest.mark.parametrize("flipped", FLIPS)
def test_arrays_of_a_damaged_file_are_an_error_or_the_same(flipped: int) -> None:
    values = np.arange(6.0).reshape(2, 3)
    whole = npz_bytes({"a": values})
    refused = 0
    for damaged in damages(whole, flipped):
        try:
            read = npz_arrays(damaged)
        except ValueError:
            refused += 1
        else:
            assert "a" not in read or np.array_equal(read["a"], values)
    assert refused > len(whole) / 2
