"""ballast explain: a PNG for each photograph, a line on stdout, and a reliable exit code."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stripes import INFO

from ballast.classifier import Classifier
from ballast.commands.explain import SIDE, png_name, write_pictures
from ballast.core.errors import UserError
from ballast.model.cnn import build_cnn
from ballast.model.efficientnet_lite0 import read_network
from ballast.model.efficientnet_lite0_keras import build_features
from ballast.model.head_fitting import GRID
from ballast.model.probe import build_probe
from ballast.model.resizing import accept_any_size
from ballast.model.weight_files import EXACT_WEIGHTS

MODEL = Path("models/model.keras")


@pytest.fixture(scope="module")
def explainable() -> Classifier:
    """A random head on the exact backbone."""
    weights = np.rint(np.random.default_rng(1).normal(0, 4000, (1280, 3))) * GRID
    backbone = build_features(read_network(EXACT_WEIGHTS), 64)
    model = accept_any_size(build_probe(backbone, weights, np.zeros(3)))
    return Classifier(model, INFO.classes, 30)


def photograph(path: Path, width: int, height: int) -> str:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return str(path)


def test_each_photograph_becomes_a_png_of_three_pictures_and_a_line(
    explainable: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [photograph(tmp_path / "a.png", 40, 20), photograph(tmp_path / "b/a.png", 300, 500)]
    out = tmp_path / "maps"
    assert write_pictures(explainable, files, out, MODEL) == 0
    names = ["a.png.map.png", "a.png.2.map.png"]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    captured = capsys.readouterr()
    for line, file, name in zip(captured.out.splitlines(), files, names, strict=True):
        said = explainable.predict(file)
        words, path = line.split("  ")
        assert Path(path) == out / name
        assert words.startswith(f"{said.predicted} {said.probabilities[said.predicted]:.3f}, ")
        with Image.open(path) as picture:
            assert picture.width >= 3 * SIDE // 2
            assert picture.height > SIDE // 2
    assert captured.err == "2 explained, 0 could not be read\n"


def test_the_same_photograph_gives_the_same_bytes(explainable: Classifier, tmp_path: Path) -> None:
    file = photograph(tmp_path / "a.png", 40, 20)
    write_pictures(explainable, [file, file], tmp_path, MODEL)
    first, second = (tmp_path / name for name in ("a.png.map.png", "a.png.2.map.png"))
    assert first.read_bytes() == second.read_bytes()


def test_what_cannot_be_read_is_named_on_stderr_and_makes_the_exit_code_3(
    explainable: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_bytes(b"text")
    files = [str(tmp_path / "text.png"), "missing.png", "", photograph(tmp_path / "a.png", 1, 70)]
    assert write_pictures(explainable, files, tmp_path / "maps", MODEL) == 3
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    first, second, third, last = captured.err.splitlines()
    assert first.startswith("WARNING: ")
    assert "text.png: not a JPEG" in first
    assert second == "WARNING: missing.png: no such file"
    assert third == "WARNING: an empty path"
    assert last == "1 explained, 3 could not be read"


def test_nothing_to_explain_is_a_warning_and_no_error(
    explainable: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write_pictures(explainable, [], tmp_path / "maps", MODEL) == 0
    said = "WARNING: no images there\n0 explained, 0 could not be read\n"
    assert capsys.readouterr() == ("", said)
    assert not (tmp_path / "maps").exists()


def test_a_model_without_exact_maps_is_refused(tmp_path: Path) -> None:
    other = Classifier(accept_any_size(build_cnn(16, 3)), INFO.classes, 30)
    with pytest.raises(UserError, match="no linear head on efficientnet_lite0") as caught:
        write_pictures(other, [], tmp_path, MODEL)
    assert str(caught.value).startswith(f"{MODEL}: ")


def test_no_png_replaces_another_and_long_names_are_cut() -> None:
    assert png_name("rex.jpg", {"rex.jpg.map.png"}) == "rex.jpg.2.map.png"
    assert len(png_name("x" * 255, set())) < 150
