"""Features are read from the store if they were computed before, and are the same anywhere."""

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image
from stripes import TRAIN

from ballast.core import mapped
from ballast.core.errors import UserError
from ballast.core.greys import Range
from ballast.core.images import ImageError, image_array
from ballast.core.params import EXACT_BACKBONE, EXACT_LEAST_SIZE
from ballast.core.store import ContentStore
from ballast.keras_setup import keras
from ballast.model import features
from ballast.model.features import (
    Backbone,
    _batches,
    _elsewhere,
    gathered,
    image_features,
    read_backbone,
)
from ballast.model.inputs import ImageFiles
from ballast.workers.processes import Engine

ROOT = Path(__file__).parents[3]
SIZE = EXACT_LEAST_SIZE
EXACT = replace(TRAIN, backbone=EXACT_BACKBONE)
HERE = Engine(2, "local")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return read_backbone(EXACT, SIZE, Path("nowhere"))


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    """Five PNG files of noise."""
    random, files = np.random.default_rng(1), []
    for _ in range(5):
        file = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(file, "PNG")
        files.append(file.getvalue())
    return files


class Images:
    """Listed images, with a record of those that were read."""

    def __init__(self, files: list[bytes]) -> None:
        """Take the files."""
        self._files = files
        self.asked: list[int] = []
        self.sha256 = [hashlib.sha256(data).hexdigest() for data in files]

    def read(self, place: int) -> bytes:
        """Read one, and note it."""
        self.asked.append(place)
        return self._files[place]

    def features(
        self,
        backbone: Backbone,
        folder: Path,
        engine: Engine = HERE,
        greys: Range | None = None,
    ) -> bytes:
        """Their features, with a newly opened store."""
        self.asked.clear()
        labels = np.zeros(len(self._files), dtype=np.int64)
        names = [f"{place}.png" for place in range(len(self._files))]
        images = ImageFiles(self.read, labels, SIZE, 2, names, greys)
        store = ContentStore(folder, 10)
        return image_features(backbone, images, self.sha256, store, engine).tobytes()


def expected(backbone: Backbone, files: list[bytes]) -> bytes:
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in files])
    features = np.asarray(backbone.load().predict_on_batch(pixels))
    return features.astype(backbone.dtype).tobytes()


def decoded(data: bytes) -> NDArray[np.uint8] | ImageError:
    try:
        return image_array(data, SIZE)
    except ImageError as error:
        return error


def records(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_an_image_seen_before_is_not_read_again(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    some, more = Images(files[:3]), Images(files[::-1])
    some.features(backbone, tmp_path)
    assert sorted(some.asked) == [0, 1, 2]
    assert more.features(backbone, tmp_path) == expected(backbone, files[::-1])
    assert sorted(more.asked) == [0, 1], "the two new images"
    assert more.features(backbone, tmp_path) == expected(backbone, files[::-1])
    assert more.asked == []


def test_batches_on_all_cores_are_in_order_and_the_same(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    several = read_backbone(EXACT, SIZE, Path("nowhere"), cores=3)._replace(batch_size=2)
    images = Images(files)
    assert images.features(several, tmp_path) == expected(backbone, files)
    assert sorted(images.asked) == [0, 1, 2, 3, 4]


def test_large_ones_are_in_a_file_that_nobody_has_to_remove(
    backbone: Backbone, files: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, store = Images(files), ContentStore(tmp_path, 10)
    read = ImageFiles(images.read, np.zeros(5, np.int64), SIZE, 2, list("abcde"))
    small = image_features(backbone, read, images.sha256, store, HERE)
    assert not isinstance(small, np.memmap)
    kept = records(tmp_path)
    monkeypatch.setattr(features, "IN_MEMORY", 5 * backbone.width * 2 - 1)
    large = image_features(backbone, read, images.sha256, store, HERE)
    assert isinstance(large, np.memmap)
    assert large.dtype == small.dtype == "<u2"
    assert large.tolist() == small.tolist()
    assert records(tmp_path) == kept
    monkeypatch.setattr(mapped, "ROWS", 2)
    places = [4, 0, 0, 3, 1, 2]
    chosen = gathered(large, places, store)
    assert isinstance(chosen, np.memmap)
    assert chosen.dtype == small.dtype
    assert chosen.tolist() == small[places].tolist()
    monkeypatch.setattr(features, "IN_MEMORY", 6 * backbone.width * 2)
    few = gathered(large, places, store)
    assert not isinstance(few.base, np.memmap)
    assert few.tolist() == chosen.tolist()


def test_another_range_of_deep_greys_gives_other_features(
    backbone: Backbone, tmp_path: Path
) -> None:
    file = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 4096, (SIZE, SIZE), np.uint16)
    Image.fromarray(values).save(file, "PNG")
    deep = Images([file.getvalue()])
    ranges: list[Range | None] = [None, (0, 4095), (0, 8191), (0, 4095), None]
    found = [deep.features(backbone, tmp_path, greys=greys) for greys in ranges]
    assert found[:2] == found[:2:-1]
    assert len({*found}) == 3
    assert deep.asked == [], "the last one was kept"
    grey = Image.fromarray(np.rint(values * (255 / 4095)).astype(np.uint8)).convert("RGB")
    scaled = io.BytesIO()
    grey.save(scaled, "PNG")
    assert found[1] == expected(backbone, [scaled.getvalue()])


def test_where_all_are_kept_the_network_is_not_even_loaded(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    images = Images(files)
    images.features(backbone, tmp_path)

    def load() -> keras.Model:
        raise AssertionError

    assert images.features(backbone._replace(load=load), tmp_path) == expected(backbone, files)


def test_a_few_images_do_not_load_tensorflow_and_many_take_a_thread_each_batch(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    pictures = []
    for place, data in enumerate(files):
        (tmp_path / f"{place}.png").write_bytes(data)
        pictures.append(str(tmp_path / f"{place}.png"))
    code = f"""
import sys
from pathlib import Path
import numpy as np
from ballast.core.images import image_array
from ballast.core.params import parse_params
from ballast.core.store import ContentStore
from ballast.model.features import FEW, pixel_features, read_backbone, with_maps
train = parse_params(Path("params.yaml").read_text()).train
backbone = read_backbone(train, {SIZE}, Path("nowhere"), cores=3)
pixels = np.stack([image_array(Path(name).read_bytes(), {SIZE}) for name in {pictures}])
store = ContentStore(Path({str(tmp_path / "store")!r}), 10)
found = pixel_features(backbone, pixels, store)
maps = pixel_features(with_maps(backbone), pixels, store)
assert "tensorflow" not in sys.modules
assert np.array_equal(maps.reshape(len(pixels), -1, backbone.width).sum(axis=1), found)
many = np.repeat(pixels, FEW, axis=0)[: FEW + 1]
pixel_features(backbone, many, ContentStore(Path({str(tmp_path / "empty")!r}), 10))
threading = sys.modules["tensorflow"].config.threading
assert threading.get_intra_op_parallelism_threads() == 1
assert threading.get_inter_op_parallelism_threads() == 3
print(found.tobytes().hex())
"""
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert bytes.fromhex(said.stdout) == expected(backbone, files)


def test_without_a_store_features_are_the_same(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"in the folder's place")
    assert Images(files).features(backbone, tmp_path / "file") == expected(backbone, files)


@pytest.mark.parametrize("damage", ["removed", "changed", "shortened"])
def test_a_record_that_is_not_as_it_was_is_made_again_with_the_same_bytes(
    backbone: Backbone, files: list[bytes], tmp_path: Path, damage: str
) -> None:
    images = Images(files)
    images.features(backbone, tmp_path)
    before = {path: path.read_bytes() for path in records(tmp_path)}
    assert len(before) == len(files)
    broken = records(tmp_path)[2]
    if damage == "removed":
        broken.unlink()
    else:
        data = before[broken]
        broken.write_bytes(data[:-2] if damage == "shortened" else b"\xff" + data[1:])
    assert images.features(backbone, tmp_path) == expected(backbone, files)
    assert len(images.asked) == 1
    assert {path: path.read_bytes() for path in records(tmp_path)} == before


def test_a_record_of_another_length_is_not_taken_for_features(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    images = Images(files[:1])
    key = hashlib.sha256(f"{backbone.key}:{images.sha256[0]}".encode()).hexdigest()
    ContentStore(tmp_path, 10).add(key, {0: b"four"})
    assert images.features(backbone, tmp_path) == expected(backbone, files[:1])


def test_another_size_or_other_weights_have_keys_of_their_own(backbone: Backbone) -> None:
    assert read_backbone(EXACT, SIZE, Path("nowhere")).key == backbone.key
    assert read_backbone(EXACT, SIZE + 1, Path("nowhere")).key != backbone.key


def test_a_backbone_is_frozen_and_the_exact_one_is_kept_as_whole_numbers(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    assert not backbone.load().trainable_weights
    Images(files[:1]).features(backbone, tmp_path)
    (record,) = records(tmp_path)
    assert record.read_bytes() == expected(backbone, files[:1])
    (pixels,) = (np.asarray(Image.open(io.BytesIO(data))) for data in files[:1])
    computed = np.asarray(backbone.load().predict_on_batch(pixels[None]))
    assert np.array_equal(np.frombuffer(record.read_bytes(), "<u2"), computed[0])


def test_a_cluster_gives_the_same_bytes(
    backbone: Backbone, files: list[bytes], tmp_path: Path
) -> None:
    found = Images(files).features(backbone, tmp_path, Engine(1, "dask"))
    assert found == expected(backbone, files)


def test_a_batch_is_named_by_its_first_and_last_image(
    backbone: Backbone, files: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def each(
        work: Callable[[object], Any], items: Iterable[object], _: Engine, name: Callable[..., str]
    ) -> Iterator[Any]:
        for item in items:
            names.append(name(item))
            yield work(item)

    monkeypatch.setattr(features, "each", each)
    monkeypatch.setattr(features, "BATCH_SIZE", 4)
    Images(files).features(backbone, tmp_path, Engine(1, "dask"))
    assert names == ["0.png to 3.png", "4.png"]


def test_a_worker_with_another_backbone_is_one_line(files: list[bytes]) -> None:
    with pytest.raises(UserError, match=r"^worker \S+ has another backbone, code or lib"):
        _elsewhere(EXACT, SIZE, "another key", decoded, ("0.png", (files[0],)))


def test_what_cannot_be_read_stays_where_it_is(backbone: Backbone, files: list[bytes]) -> None:
    batch = ("3 files", (b"no image", files[0], b""))
    first, second, third = _elsewhere(EXACT, SIZE, backbone.key, decoded, batch)
    assert isinstance(second, np.ndarray)
    assert second.astype(backbone.dtype).tobytes() == expected(backbone, files[:1])
    assert (str(first)[:10], str(third)) == ("not a JPEG", "empty file")
    (alone,) = _elsewhere(EXACT, SIZE, backbone.key, decoded, ("1 file", (b"",)))
    assert str(alone) == "empty file"


def test_large_files_go_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BATCH_BYTES", 10)
    files = [("a", b"1234"), ("b", b"12345678"), ("c", None), ("d", b"1"), ("e", b"1" * 99)]
    assert [*_batches(files)] == [
        ("a to b", (b"1234", b"12345678")),
        ("c to e", (None, b"1", b"1" * 99)),
    ]


def test_tensorflow_without_gpus_gives_the_same_key(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:

    def other(name: str) -> str:
        if name == "tensorflow":
            raise PackageNotFoundError(name)
        return version("tensorflow" if name == "tensorflow-cpu" else name)

    monkeypatch.setattr("ballast.model.features.version", other)
    assert read_backbone(EXACT, SIZE, Path("nowhere")).key == backbone.key
