"""ballast predict: results on stdout, the rest on stderr, and a reliable exit code."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from projects import Project, environment
from pyarrow import parquet

from ballast.__main__ import main
from ballast.classifier import Classifier, Prediction
from ballast.commands.predict import (
    FORMATS,
    _lines,
    named_files,
    print_predictions,
    write_predictions,
)
from ballast.core.errors import UserError
from ballast.core.manifest import read_manifest, subset_rows
from ballast.core.paths import MANIFEST
from ballast.insight.novelty import Familiar
from ballast.model.weight_files import EXACT_FEATURES
from ballast.scores.predictions import read_predictions

ROOT = Path(__file__).parents[3]


@pytest.fixture
def raw(reproduced: Project) -> Path:
    return reproduced.folder / "data/raw"


def files(*names: Path | str) -> list[str]:
    return [*named_files([str(name) for name in names], [])]


def test_a_table_has_columns_of_fixed_width_and_the_path_last(
    classifier: Classifier, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        print_predictions(
            classifier, classifier.stream, files(raw / "one/000.png", raw / "two"), "table"
        )
        == 0
    )
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["predicted", "one", "two", "zero", "novelty", "path"]
    expected = [raw / "one/000.png", *(raw / f"two/{i:03d}.png" for i in range(10))]
    assert [row[header.index("path") :] for row in rows] == [str(path) for path in expected]
    for row in rows:
        predicted, *numbers = row[: header.index("path")].split()
        values = dict(zip(["one", "two", "zero"], map(float, numbers), strict=True))
        assert values[predicted] == max(values.values())
        assert sum(values.values()) == pytest.approx(1, abs=0.002)


def test_csv_is_what_the_predict_stage_writes(
    classifier: Classifier, reproduced: Project, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = reproduced.folder / "outputs/predictions.csv"
    print_predictions(
        classifier, classifier.stream, [str(raw / p) for p in read_predictions(stage).paths], "csv"
    )
    found = [*csv.DictReader(capsys.readouterr().out.splitlines())]
    expected = [*csv.DictReader(stage.read_text(encoding="utf-8").splitlines())]
    assert [row | {"path": "", "true": ""} for row in found] == [
        row | {"path": "", "true": "", "novelty": ""} for row in expected
    ]


def test_json_is_an_object_a_line(
    classifier: Classifier, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_predictions(classifier, classifier.stream, files(raw / "zero"), "json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in rows] == files(raw / "zero")
    for row in rows:
        assert list(row) == ["path", "predicted", "probabilities", "novelty"]
        assert max(row["probabilities"], key=row["probabilities"].get) == row["predicted"]


def test_photographs_unlike_those_of_the_training_are_marked_and_counted(
    features_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = features_project.folder
    # As if it had been trained on 39 black pictures, which a digit is unlike.
    black = Familiar(np.zeros((39, EXACT_FEATURES)), np.zeros(39), np.arange(40) / 40)
    few = Familiar(np.zeros((3, EXACT_FEATURES)), np.zeros(3), np.arange(4) / 4)
    classifier = Classifier.load(folder / "models/model.keras")
    photos = files(folder / "data/raw/one")
    for known, share, mark in ((black, 0.975, " unlike"), (few, 0.75, ""), (None, None, "")):
        changed = classifier._replace(known=known)
        print_predictions(changed, changed.stream, photos, "table")
        said = capsys.readouterr()
        header, _, *rows = said.out.splitlines()
        cells = {row[header.index("novelty") : header.index("path")].rstrip() for row in rows}
        assert cells == {"" if share is None else f"{share:.3f}{mark}"}
        assert said.err.splitlines()[-1] == (
            "3 predicted, 0 could not be read"
            + (", 3 unlike the training photographs" if mark else "")
        )
        print_predictions(changed, changed.stream, photos, "json")
        lines = capsys.readouterr().out.splitlines()
        assert {json.loads(line)["novelty"] for line in lines} == {share}
        print_predictions(changed, changed.stream, photos, "csv")
        table = csv.DictReader(capsys.readouterr().out.splitlines())
        assert {row["novelty"] for row in table} == {"" if share is None else str(share)}


def test_photographs_that_the_model_was_trained_on_are_counted(
    features_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = features_project.folder
    (row, *_) = subset_rows(read_manifest(folder / MANIFEST), "train")
    noise = folder / "noise.png"
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(noise)
    classifier = Classifier.load(folder / "models/model.keras")
    for photos, said in (
        ([folder / "data/raw" / row.path, noise], ", 1 trained on (no test of the model)"),
        ([noise], ""),
    ):
        print_predictions(classifier, classifier.stream, map(str, photos), "csv")
        ended = capsys.readouterr().err.splitlines()[-1]
        assert ended.replace(", 1 unlike the training photographs", "") == (
            f"{len(photos)} predicted, 0 could not be read{said}"
        )
    noise.unlink()


@pytest.mark.parametrize("format_", FORMATS)
def test_what_cannot_be_read_is_named_on_stderr_and_makes_the_exit_code_3(
    classifier: Classifier,
    raw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format_: str,
) -> None:
    (tmp_path / "good.png").write_bytes((raw / "one/000.png").read_bytes())
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "nowhere.png").symlink_to("gone")
    (tmp_path / "folder.png").symlink_to(".")
    (tmp_path / "a\nb.png").write_bytes(b"text")
    (tmp_path / ".hidden.png").write_bytes(b"text")
    (tmp_path / "Thumbs.db").write_bytes(b"text")
    (tmp_path / "@eaDir").mkdir()
    (tmp_path / "@eaDir/thumb.png").write_bytes(b"text")
    with (tmp_path / "film.mp4").open("wb") as file:
        file.truncate(10**12)
    names = ["", "missing.png", "a" * 5000, "nul\0.png"]
    assert print_predictions(classifier, classifier.stream, files(tmp_path, *names), format_) == 3
    captured = capsys.readouterr()
    assert captured.out.count("good.png") == 1
    *warnings, last = captured.err.splitlines()
    assert len(warnings) == 9
    assert all(line.startswith("WARNING: ") for line in warnings)
    assert "WARNING: missing.png: no such file" in warnings
    assert "WARNING: an empty path" in warnings
    assert last == "1 predicted, 9 could not be read"


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_to_predict_is_no_error(
    classifier: Classifier, capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    assert print_predictions(classifier, classifier.stream, [], format_) == 0
    said = "WARNING: no images there\n0 predicted, 0 could not be read\n"
    assert capsys.readouterr().err == said


def test_names_of_any_script_and_of_none_come_out_as_text(
    classifier: Classifier,
    raw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = (raw / "one/000.png").read_bytes()
    odd = [b"\xc3\xa4 b.png", b"caf\xe9.png", b'=1,"2".png', b"new\nline.png", "狗.png".encode()]
    for name in odd:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    paths = [os.fsdecode(name) for name in odd]
    assert print_predictions(classifier, classifier.stream, paths, "json") == 0
    rows = [json.loads(line)["path"] for line in capsys.readouterr().out.splitlines()]
    assert rows == ["ä b.png", "caf\\xe9.png", '=1,"2".png', "new\nline.png", "狗.png"]
    assert print_predictions(classifier, classifier.stream, paths, "table") == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert print_predictions(classifier, classifier.stream, paths, "csv") == 0
    assert '\n"\'=1,""2"".png",' in capsys.readouterr().out


def test_a_pattern_that_no_shell_expanded_names_its_files_once(raw: Path) -> None:
    assert files(raw / "*" / "00[01].png") == [
        str(raw / name / f"00{i}.png") for name in ("one", "two", "zero") for i in (0, 1)
    ]
    assert sorted(files(raw / "**" / "*")) == sorted(files(raw / "*")) == sorted(files(raw))
    assert files("no*where") == ["no*where"]


def test_files_in_a_shard_are_those_of_a_folder(
    classifier: Classifier, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with tarfile.open(folder / "0.tar", "w") as shard:
        shard.add(raw / "one")
        shard.add(raw / "two", "two")
        shard.add(__file__, "two/1.cls")
        shard.add(__file__, "two/.hidden.png")
    listed = [f"{folder}/0.tar/two/{i:03d}.png" for i in range(10)]
    listed = [f"{folder}/0.tar{raw}/one/{i:03d}.png" for i in range(3)] + [
        f"{folder}/0.tar/two/1.cls",
        *listed,
    ]
    assert files(folder) == files(folder / "0.tar") == files(folder / "*.tar") == sorted(listed)
    assert print_predictions(classifier, classifier.stream, files(folder, listed[-1]), "csv") == 3
    rows = [*csv.DictReader(capsys.readouterr().out.splitlines())]
    expected = classifier.predict(
        [*sorted((raw / "one").iterdir()), *sorted((raw / "two").iterdir())]
    )
    assert [row["predicted"] for row in rows] == [of.predicted for of in [*expected, expected[-1]]]
    gone = f"{folder}/0.tar/two/gone.png"
    assert print_predictions(classifier, classifier.stream, files(gone), "csv") == 3
    assert f"WARNING: {gone}: no such file\n" in capsys.readouterr().err
    (folder / "0.tar").write_bytes((folder / "0.tar").read_bytes()[:1000])
    assert files(folder) == files(folder / "0.tar") == [f"{folder}/0.tar"]
    assert print_predictions(classifier, classifier.stream, files(folder), "csv") == 3
    assert f"WARNING: {folder}/0.tar: not a whole tar file: " in capsys.readouterr().err


def test_a_file_may_be_called_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").write_bytes(b"")
    (tmp_path / "a1.png").write_bytes(b"")
    assert files(tmp_path / "a[1].png") == [str(tmp_path / "a[1].png")]


@pytest.mark.parametrize("end", [b"\n", b"\0"])
def test_a_list_is_read_line_by_line_or_nul_by_nul(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "list").write_bytes(end.join([b"a b", b"", b"caf\xe9", b"last"]))
    with (tmp_path / "list").open("rb") as file:
        assert [*_lines(file, end)] == ["a b", os.fsdecode(b"caf\xe9"), "last"]
    assert [*named_files(["x", "-"], ["a", "b"])] == ["x", "a", "b"]


def test_it_needs_no_project_around_it(reproduced: Project, raw: Path, tmp_path: Path) -> None:
    model = tmp_path / "other name.keras"
    model.write_bytes((reproduced.folder / "models/model.keras").read_bytes())
    names = f"{raw}/one/000.png\nnowhere.png\n{raw}/two\n"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ballast",
            "predict",
            "--model",
            model,
            "--format",
            "json",
            "-",
        ],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT), "LC_ALL": "C"},
        input=names.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert len(done.stdout.splitlines()) == 11
    assert done.stderr.decode().splitlines() == [
        "WARNING: nowhere.png: no such file",
        "11 predicted, 1 could not be read",
    ]


def test_a_reader_that_has_enough_ends_it_without_a_word(reproduced: Project) -> None:
    shell = f"{sys.executable} -m ballast predict data/raw data/raw | head -n 1; exit $PIPESTATUS"
    done = reproduced.run("bash", "-c", shell.replace("data/raw", "data/raw " * 30), check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert done.returncode == 141


def test_without_a_model_it_says_what_to_run(project: Project) -> None:
    done = project.run(sys.executable, "-m", "ballast", "predict", "data/raw", check=False)
    assert done.returncode == 1
    said = "ERROR: models/model.keras: no model yet; run dvc repro, or dvc pull models"
    assert done.stderr.splitlines() == [said]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["predict", "--help"], 0),
        (["explain", "--help"], 0),
        (["suggest", "--help"], 0),
        (["predict", "--coverage", "2", "photo.jpg"], 2),
        (["explain"], 2),
    ],
)
def test_what_the_command_line_alone_decides_does_not_wait_for_tensorflow(
    arguments: list[str], code: int
) -> None:
    script = (
        "import atexit, sys; atexit.register(lambda: print('tensorflow' in sys.modules));"
        "from ballast.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "usage: ballast" in done.stdout + done.stderr
    assert done.stdout.endswith("False\n")


def test_without_tensorflow_it_says_what_to_run(reproduced: Project) -> None:
    script = (
        "import sys; sys.modules['tensorflow'] = None;"
        "from ballast.__main__ import main; sys.exit(main())"
    )
    done = reproduced.run(sys.executable, "-c", script, "predict", "data/raw", check=False)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("ERROR: the package tensorflow is not installed; run make, or uv sync")
    assert "Traceback" not in done.stderr


def test_a_half_written_model_is_refused(reproduced: Project, tmp_path: Path) -> None:
    half = tmp_path / "half.keras"
    half.write_bytes((reproduced.folder / "models/model.keras").read_bytes()[:5000])
    done = reproduced.ballast("predict", "--model", str(half), "data/raw")
    assert done.returncode == 1
    said = f"ERROR: {half}: incomplete or damaged; run ballast check, then dvc repro"
    assert done.stderr.splitlines() == [said]


@pytest.fixture(scope="module")
def with_sets(features_project: Project) -> Classifier:
    return Classifier.load(features_project.folder / "models/model.keras", coverage=0.5)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_coverage_adds_the_set_that_python_has(
    with_sets: Classifier, raw: Path, capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    names = files(raw / "one", raw / "two")
    assert print_predictions(with_sets, with_sets.stream, names, format_) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = [prediction.class_set for prediction in with_sets.predict(names)]
    assert any(expected)
    if format_ == "json":
        found = [json.loads(line)["set"] for line in lines]
    elif format_ == "csv":
        rows = [*csv.DictReader(lines)]
        assert list(rows[0])[-3:] == ["set_one", "set_two", "set_zero"]
        found = [[name for name in with_sets.classes if row[f"set_{name}"] == "1"] for row in rows]
        expected = [sorted(names or []) for names in expected]
    else:
        header, _, *rest = lines
        assert header.split()[-2:] == ["set", "path"]
        column = slice(header.index("set"), header.index("path"))
        cells = [row[column].strip() for row in rest]
        found = [[] if cell == "-" else cell.split(" or ") for cell in cells]
    assert found == expected


@pytest.mark.usefixtures("in_this_process")
def test_classes_without_a_promise_are_named_with_what_they_need(
    features_project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(features_project.folder)
    assert main(["predict", "--coverage", "0.9", "data/raw/one/000.png"]) == 0
    printed = capsys.readouterr()
    said = [line for line in printed.err.splitlines() if line.startswith("WARNING: class one ")]
    assert len(said) == 1
    assert re.fullmatch(
        r"WARNING: class one is in every set: a coverage of 0\.9 needs 9 training photographs"
        r" besides copies, and the model keeps \d",
        said[0],
    )
    assert "one" in printed.out.splitlines()[-1]


@pytest.mark.usefixtures("in_this_process")
def test_a_model_without_photographs_promises_nothing(
    reproduced: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(reproduced.folder)
    with pytest.raises(SystemExit) as caught:
        main(["predict", "--coverage", "0.9", "data/raw"])
    assert caught.value.code == (
        "ERROR: models/model.keras: keeps no training photographs, which this needs; train a linear"
        " head with train.kept_photographs above 0 in params.yaml"
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("coverage", ["0", "1", "90", "nan", "most"])
def test_a_coverage_that_is_no_share_is_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str], coverage: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", "--coverage", coverage, "photo.jpg"])
    assert caught.value.code == 2
    assert f"must be above 0 and below 1, not {coverage}" in capsys.readouterr().err


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_images(reproduced: Project) -> None:
    def peak(count: int) -> int:
        """MiB."""
        script = (
            "import resource, sys; from ballast.__main__ import main;"
            "main(['predict', '--format', 'csv', '-']);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=reproduced.folder,
            env=environment(),
            input=b"data/raw/one/000.png\n" * count,
            capture_output=True,
            check=True,
        )
        assert len(done.stdout.splitlines()) == count + 1
        return int(done.stderr.split()[-1])

    assert peak(20_000) - peak(1_000) < 30


def test_a_table_has_a_row_for_every_file_and_is_not_replaced(
    features_project: Project,
    linear: Classifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ballast.commands.predict.load_classifier", lambda *_: linear)
    monkeypatch.chdir(features_project.folder)
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    target = tmp_path / "all.csv"
    command = ("predict", "--out", str(target), "data/raw/one", str(tmp_path / "broken.jpg"))
    assert main(command) == 3
    assert capsys.readouterr().out == ""
    with target.open(newline="", encoding="utf-8") as file:
        *rows, last = csv.DictReader(file)
    assert main(["predict", "--format", "csv", "data/raw/one"]) == 0
    assert [
        {name: cell for name, cell in row.items() if name not in ("trained_on", "error")}
        for row in rows
    ] == [*csv.DictReader(capsys.readouterr().out.splitlines())]
    (train,) = {row["trained_on"] for row in rows if row["novelty"] == "0"}
    assert train == "1"
    assert last["path"] == str(tmp_path / "broken.jpg")
    assert (last["predicted"], last["error"][:16]) == ("", "not a JPEG, PNG,")
    for arguments, error in (
        (command, f"{target}: exists; delete it, or choose another --out"),
        (
            ["predict", "--out", "x.csv", "--format", "json", "x"],
            "--out x.csv writes csv, not json",
        ),
        (
            ["predict", "--out", "x.parquet", "--format", "csv", "x"],
            "--out x.parquet writes parquet, not csv",
        ),
    ):
        with pytest.raises(SystemExit, match=f"^ERROR: {re.escape(error)}$"):
            main(arguments)


def test_a_parquet_file_has_the_cells_of_the_csv(with_sets: Classifier, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    photos = [*files(ROOT / "data/sample/raw/snake"), str(tmp_path / "broken.jpg")]
    for name in ("all.csv", "all.parquet"):
        write_predictions(with_sets, with_sets.stream, photos, tmp_path / name, "model")
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        of_csv = [*csv.DictReader(file)]
    of_parquet = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert len(of_csv) == len(photos)
    for row, typed in zip(of_csv, of_parquet, strict=True):
        assert list(row) == list(typed)
        for name, cell in row.items():
            value = typed[name]
            if name.startswith("p_") or name == "novelty":
                assert value == (float(cell) if cell else None)
            elif name.startswith("set_") or name == "trained_on":
                assert value is (cell == "1" if cell else None)
            else:
                assert value == (cell or None)
    assert of_parquet[-1]["error"].startswith("not a JPEG, PNG,")
    assert not [*tmp_path.glob("*.part")]


def test_a_parquet_file_that_could_not_be_written_is_made_of_the_rows_that_are_there(
    classifier: Classifier, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target, photos = tmp_path / "all.parquet", files(raw / "one")
    with monkeypatch.context() as patched:
        patched.setattr("ballast.commands.predict.write_parquet", full)
        with pytest.raises(UserError, match="No space left"):
            write_predictions(classifier, classifier.stream, photos, target, "model")
    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part"

    def predicts_nothing(left: Iterable[str]) -> Iterator[Prediction]:
        assert not [*left]
        yield from ()

    write_predictions(classifier, predicts_nothing, photos, target, "model")
    assert [*tmp_path.iterdir()] == [target]
    assert parquet.read_table(target, columns=["path"]).to_pylist() == [
        {"path": path} for path in photos
    ]


@pytest.mark.long
def test_a_table_is_the_same_however_often_the_command_was_killed(
    features_project: Project, raw: Path, tmp_path: Path
) -> None:
    """Kills at random moments, some of them before the first row."""
    photos = tmp_path / "photos"
    photos.mkdir()
    files = sorted(raw.glob("*/*.png"))
    for number in range(1500):
        shutil.copy(files[number % len(files)], photos / f"{number:04d}.png")
    (photos / "0700 broken.png").write_bytes(b"no image")
    undisturbed, target = tmp_path / "undisturbed.csv", tmp_path / "killed.csv"
    assert features_project.ballast("predict", "--out", str(undisturbed), str(photos)).returncode

    command = [sys.executable, "-m", "ballast", "predict", "--out", str(target), str(photos)]
    random, sizes = np.random.default_rng(), []
    for _ in range(5):
        run = subprocess.Popen(
            command, cwd=features_project.folder, env=environment(), stderr=subprocess.DEVNULL
        )
        parts = [*tmp_path.glob("killed.csv.*.part")]
        begun = parts[0].stat().st_size if parts else 0
        while run.poll() is None and not any(
            part.stat().st_size > begun for part in tmp_path.glob("killed.csv.*.part")
        ):
            time.sleep(0.05)
        time.sleep(random.uniform(0, 0.3))
        run.kill()
        run.wait()
        sizes += [part.stat().st_size for part in tmp_path.glob("killed.csv.*.part")]
    assert sizes == sorted(sizes)
    assert sizes, "it was killed before it had finished"
    done = features_project.ballast("predict", "--out", str(target), str(photos))
    assert done.returncode == 3
    assert re.match(r"going on after \d+ files in ", done.stderr)
    assert done.stderr.splitlines()[-1].startswith("1500 predicted, 1 could not be read")
    assert target.read_bytes() == undisturbed.read_bytes()
    assert not [*tmp_path.glob("*.part")]
