"""What a model file is, and what is said of one that is none."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ballast.core.errors import UserError
from ballast.core.paths import MODEL
from ballast.model.model_file import INFO, archive, npz_bytes, read_info, refuse_damage

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
