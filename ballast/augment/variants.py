"""Makes variants of photographs in parallel, except those in the store from earlier runs."""

import hashlib
import io
import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image, features

from ballast.augment.transforms import Transform, apply_transforms, draw_transform
from ballast.core.errors import UserError
from ballast.core.greys import Range
from ballast.core.images import DECODING, decode_image, resize_image
from ballast.core.manifest import Row, image_reader
from ballast.core.params import Augment, Runtime, as_dict
from ballast.core.source import BALLAST, source_hash
from ballast.core.store import ContentStore, Record
from ballast.workers.versions import CODECS

# Modules that determine the bytes of an image.
SHAPING = (*DECODING, "augment/transforms.py", "augment/variants.py")


def oversampled_images(
    plan: Sequence[tuple[Row, int]],
    raw: Path,
    seed: int,
    size: int,
    augment: Augment,
    store: ContentStore,
    runtime: Runtime,
    greys: Range | None = None,
) -> Iterator[tuple[Row, int, Record]]:
    """Yield all images of a plan: make those that the store lacks, and add them to it.

    Args:
        plan: from plan_rounds.
        raw: folder that the photographs' paths are relative to.
        seed: params' seed.
        size: side in pixels of the images made.
        augment: bounds of the transforms, and the JPEG quality.
        store: images from earlier runs.
        runtime: the engine that makes the others, and its workers.
        greys: the range of the data set's deep greys.

    Yields:
        Photograph, round and JPEG file, in the order of the plan. The bytes do not depend on the
        content of the store.

    Raises:
        UserError: like the function of image_reader, and each.
        ImageError: like decode_image.
    """
    bounds = as_dict(augment, without=("factor", "pack"))
    draw = partial(drawn_rounds, seed=seed, augment=augment)
    shape = (size, greys) if greys else (size,)
    kept = _Stored(store, image_reader(raw), draw, _keys(*shape), _keys(*shape, seed, bounds))
    lacking = [(row, kept.lacking(row, rounds)) for row, rounds in plan]
    total = sum(len(absent) for _, absent in lacking)
    decoded = [row for row, absent in lacking if absent and not kept.has_pixels(row)]
    engine = None
    if runtime.engine != "local" or not _is_little(decoded, total * size**2):
        # joblib takes 0.13 s to import, and is not needed if there is little to make.
        from ballast.workers.processes import each, engine_of

        engine = engine_of(runtime)
    most = _most_rounds(total, engine.workers if engine else 1)
    chunks = (
        kept.chunk(row, absent[start : start + most])
        for row, absent in lacking
        for start in range(0, len(absent), most)
    )
    # Keep pixels if all fit into the store with the images (0.6 bytes a pixel at quality 95).
    images = sum(rounds for _, rounds in plan)
    keep = (3 * len(plan) + 0.75 * images) * size**2 < store.room
    make = partial(_make, size, augment.quality, keep, greys)
    results = (
        each(make, chunks, engine, lambda chunk: str(raw / chunk.row.path))
        if engine
        else map(make, chunks)
    )
    for (row, rounds), (_, absent) in zip(plan, lacking, strict=True):
        missing, made = {*absent}, dict[int, Record]()
        found = kept.images(row, [round_ for round_ in range(rounds) if round_ not in missing])
        for round_ in range(rounds):
            record = None if round_ in missing else next(found)
            if record is None and round_ not in made:
                # A record that did not seem to be missing was damaged.
                result = next(results) if round_ in missing else make(kept.chunk(row, [round_]))
                made |= kept.add(row, *result)
            yield row, round_, record or made.pop(round_)


class _Chunk(NamedTuple):
    """Rounds of one photograph, which one process makes."""

    row: Row
    rounds: Mapping[int, Transform | None]  # from drawn_rounds
    data: bytes = b""  # the photograph's file or, if the store had them, its pixels
    decoded: bool = False  # whether data is pixels
    problem: str = ""  # why there is no data, if so


class _Stored(NamedTuple):
    """The photographs, and what the store has of them."""

    store: ContentStore
    read: Callable[[Row], bytes]
    draw: Callable[[str, Sequence[int]], dict[int, Transform | None]]
    pixels_key: Callable[[str], str]
    images_key: Callable[[str], str]

    def lacking(self, row: Row, rounds: int) -> list[int]:
        there = self.store.numbers(self.images_key(row.sha256))
        return [round_ for round_ in range(rounds) if round_ not in there]

    def images(self, row: Row, rounds: Sequence[int]) -> Iterator[Record | None]:
        return self.store.read(self.images_key(row.sha256), rounds)

    def has_pixels(self, row: Row) -> bool:
        return bool(self.store.numbers(self.pixels_key(row.sha256)))

    def chunk(self, row: Row, rounds: Sequence[int]) -> _Chunk:
        drawn = self.draw(row.sha256, rounds)
        (found,) = self.store.read(self.pixels_key(row.sha256), [0])
        if found:
            return _Chunk(row, drawn, found.data, decoded=True)
        try:
            return _Chunk(row, drawn, self.read(row))
        except UserError as error:  # reported later, where the images are made
            return _Chunk(row, drawn, problem=str(error))

    def add(self, row: Row, made: dict[int, bytes], pixels: bytes) -> dict[int, Record]:
        if pixels:
            self.store.add(self.pixels_key(row.sha256), {0: pixels})
        return self.store.add(self.images_key(row.sha256), made)


def _make(
    size: int, quality: int, keep: bool, greys: Range | None, chunk: _Chunk
) -> tuple[dict[int, bytes], bytes]:
    """Make the images by round, and return the pixels to keep."""
    if chunk.problem:
        raise UserError(chunk.problem)
    pixels = chunk.data if chunk.decoded else resized_pixels(chunk.data, size, greys)
    images = augmented_images(pixels, size, chunk.rounds, quality)
    new = keep and not chunk.decoded
    return images, pixels if new else b""


def _most_rounds(images: int, workers: int) -> int:
    """The maximum number of rounds of one photograph in a chunk.

    Each chunk decodes its photograph, which takes as long as 15 rounds. There should be several
    chunks per process, even for a single photograph, and none should need much memory.
    """
    return min(128, max(8, math.ceil(images / (4 * workers))))


def _is_little(decoded: Sequence[Row], pixels: int) -> bool:
    """Whether the work takes less time than starting other processes: 0.4 s on 2 cores.

    An image takes 7 ns per pixel. More than a few photographs are decoded in other processes, where
    a crash does not end this one. A few are safe here, since split has decoded them before.
    """
    return len(decoded) <= 8 and pixels + sum(2 * row.width * row.height for row in decoded) < 32e6


def _keys(*shaped_by: object) -> Callable[[str], str]:
    """Make a function from a photograph's SHA-256 to a key of the store.

    Args:
        shaped_by: what the records depend on besides the photograph, the code and the libraries.
    """
    code = source_hash(BALLAST / module for module in SHAPING)
    codecs = [features.version(name) for name in CODECS.values()]
    libraries = [np.__version__, PIL.__version__, version("pillow-heif")]
    versions = [*libraries, *codecs, platform.machine()]
    every = [*shaped_by, *versions, code]
    start = hashlib.sha256(json.dumps(every, sort_keys=True).encode())

    def key(sha256: str) -> str:
        whole = start.copy()
        whole.update(sha256.encode())
        return whole.hexdigest()

    return key


def resized_pixels(data: bytes, size: int, greys: Range | None = None) -> bytes:
    """Decode a photograph and resize it.

    Args:
        data: the photograph's file.
        size: side in pixels.
        greys: the range of the data set's deep greys.

    Returns:
        The pixels of a square, row by row, RGB.

    Raises:
        ImageError: like decode_image.
    """
    return resize_image(decode_image(data, size=size, greys=greys), size).tobytes()


def drawn_rounds(
    sha256: str, rounds: Sequence[int], seed: int, augment: Augment
) -> dict[int, Transform | None]:
    """Draw the transform of each round; round 0 has none: it is the resized photograph.

    Args:
        sha256: of the photograph's file, in hexadecimal.
        rounds: 0 or more.
        seed: params' seed.
        augment: bounds of the transforms.
    """
    return {r: draw_transform(seed, sha256, r, augment) if r else None for r in rounds}


def augmented_images(
    pixels: bytes, size: int, rounds: Mapping[int, Transform | None], quality: int
) -> dict[int, bytes]:
    """Make the images of one photograph.

    Args:
        pixels: from resized_pixels.
        size: side in pixels of the images made.
        rounds: transforms by round, from drawn_rounds.
        quality: JPEG quality of the image without a transform; each transform has its own.

    Returns:
        JPEG files by round.
    """
    photograph = Image.frombytes("RGB", (size, size), pixels)
    transforms = [transform for transform in rounds.values() if transform]
    changed = apply_transforms(photograph, transforms)
    return {
        round_: _jpeg(next(changed), transform.quality) if transform else _jpeg(photograph, quality)
        for round_, transform in rounds.items()
    }


def augmented_path(row: Row, round_: int) -> str:
    """The path of an image by source and round: <class>/<stem>-<id>-r<round>.jpg."""
    stem = row.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    # 100 bytes leave room for the rest within the 255 bytes of common file systems.
    short = stem.encode()[:100].decode(errors="ignore")
    return f"{row.class_}/{short}-{row.sha256[:12]}-r{round_:03d}.jpg"


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    # Small images keep full-resolution colour: at 64 pixels a side and quality 90, subsampling
    # loses 2.6 dB. At 224 pixels, it makes files 21 % smaller, in two thirds of the time.
    image.save(file, "JPEG", quality=quality, subsampling=0 if image.width < 128 else 2)
    return file.getvalue()
