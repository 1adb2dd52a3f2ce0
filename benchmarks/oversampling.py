"""Measure oversampling against its peers, and against decoding and encoding alone.

    python -m benchmarks.oversampling --data photos

Makes --images JPEG files (224 x 224 pixels, quality 95) from the photographs in a folder, with
random rotation up to 15 degrees, flips, brightness and contrast. Runs each contender in turn,
--rounds times, each time in a new process. Prints medians, and ratios on the last line. The time
excludes loading the program and includes starting worker processes. The peers are in the dependency
group `peers`.

    ballast         everything that the stage does, with an empty store of images
    albumentations  with OpenCV, in as many processes as Ballast
    Augmentor       its Pipeline.sample, in threads
    pillow          a plain loop that decodes each photograph once, in one process
    limit           decodes each photograph once and encodes the images without transforms, in one
                    process
    limits          the same, in as many processes as Ballast
"""

import argparse
import hashlib
import io
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from PIL import Image, ImageEnhance
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.params import parse_params
from benchmarks.alternation import turns

SIZE, QUALITY, DEGREES, BRIGHTNESS, CONTRAST = 224, 95, 15, 0.25, 0.4


def main() -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--once", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        seconds = CONTENDERS[arguments.once](arguments.data, arguments.images, arguments.workers)
        print(f"\n{seconds}")  # on its own line: Augmentor prints as well
        return

    rates = defaultdict(list)
    given = [f"--{name}={getattr(arguments, name)}" for name in ("data", "images", "workers")]
    for name in turns(arguments.only, arguments.rounds):
        command = [sys.executable, "-m", "benchmarks.oversampling", *given, f"--once={name}"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rates[name].append(arguments.images / float(said.split()[-1]))
    medians = {name: statistics.median(rates[name]) for name in arguments.only}
    rows = [[name, medians[name], min(rates[name]), max(rates[name])] for name in medians]
    headers = ["contender", "images/s", "min", "max"]
    print(tabulate(rows, headers=headers, floatfmt=".0f", tablefmt="github"))
    ratios = [f"{medians['ballast'] / medians[name]:.2f} x {name}" for name in arguments.only[1:]]
    print("ballast:", ", ".join(ratios))


def ballast(data: Path, images: int, workers: int) -> float:
    """Oversample as the stage does."""
    from ballast.augment.variants import augmented_path, oversampled_images
    from ballast.balance.oversampling import plan_rounds
    from ballast.core.files import link_or_write
    from ballast.core.manifest import Row
    from ballast.core.store import ContentStore

    params = parse_params(read_text(Path("params.yaml")))
    runtime = replace(params.runtime, workers=workers)
    augment = replace(
        params.augment,
        rotate=DEGREES,
        flip="horizontal",
        zoom=0,
        shift=0,
        shear=0,
        brightness=BRIGHTNESS,
        contrast=CONTRAST,
        saturation=0,
        hue=0,
        blur=0,
        noise=0,
        cutout=0,
        quality=QUALITY,
        quality_drop=0,
    )
    rows = []
    for path in photographs(data):
        with Image.open(path) as image:
            width, height = image.size
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        name = path.relative_to(data).as_posix()
        rows.append(Row(name, "photographs", "train", "", sha256, width, height))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        store = ContentStore(Path(folder) / "store", 1024)
        plan = plan_rounds(rows, {"photographs": images})
        (Path(folder) / "photographs").mkdir()
        made = oversampled_images(plan, data, 42, SIZE, augment, store, runtime)
        for row, round_, kept in made:
            link_or_write(f"{folder}/{augmented_path(row, round_)}", kept.path, kept.data)
        return time.perf_counter() - start


def pillow(data: Path, images: int, _: int) -> float:
    """Transform with Pillow alone, one step after the other."""

    def change(image: Image.Image) -> Image.Image:
        angle = random.uniform(-DEGREES, DEGREES)
        image = image.rotate(angle, Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        brightness = random.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS)
        image = ImageEnhance.Brightness(image).enhance(brightness)
        return ImageEnhance.Contrast(image).enhance(random.uniform(1 - CONTRAST, 1 + CONTRAST))

    with tempfile.TemporaryDirectory() as folder:
        return timed(partial(write_each, Path(folder), change), shared_out(data, images), 1)


def limit(data: Path, images: int, _: int) -> float:
    """Decode once and encode, without transforms."""
    return limits(data, images, 1)


def limits(data: Path, images: int, workers: int) -> float:
    """Decode once and encode, without transforms, in several processes."""
    with tempfile.TemporaryDirectory() as folder:
        return timed(partial(write_each, Path(folder), None), shared_out(data, images), workers)


def write_each(
    folder: Path,
    change: Callable[[Image.Image], Image.Image] | None,
    photograph: tuple[Path, int],
) -> None:
    """Decode a photograph, and write the given number of images of it."""
    path, count = photograph
    with Image.open(path) as opened:
        image = opened.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    for number in range(count):
        file = io.BytesIO()
        (change(image) if change else image).save(file, "JPEG", quality=QUALITY)
        (folder / f"{path.parent.name}-{path.stem}-{number}.jpg").write_bytes(file.getvalue())


def albumentations(data: Path, images: int, workers: int) -> float:
    """Use albumentations 2 with OpenCV."""
    shares = shared_out(data, images)
    work = [(path, number) for path, count in shares for number in range(count)]
    albumentations_transform()  # cached before the processes fork
    with tempfile.TemporaryDirectory() as folder:
        return timed(partial(write_one, Path(folder)), work, workers)


@cache
def albumentations_transform() -> Any:  # noqa: ANN401  # the library has no types
    """The transforms; limits OpenCV to one thread."""
    import albumentations
    import cv2

    cv2.setNumThreads(1)
    return albumentations.Compose(
        [
            albumentations.Resize(SIZE, SIZE, interpolation=cv2.INTER_AREA),
            albumentations.Rotate((-DEGREES, DEGREES), border_mode=cv2.BORDER_REFLECT_101, p=1),
            albumentations.HorizontalFlip(p=0.5),
            albumentations.RandomBrightnessContrast(
                (-BRIGHTNESS, BRIGHTNESS), (-CONTRAST, CONTRAST), p=1
            ),
        ]
    )


def write_one(folder: Path, item: tuple[Path, int]) -> None:
    """Read, transform and write one image with OpenCV."""
    import cv2

    path, number = item
    pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    pixels = cv2.cvtColor(albumentations_transform()(image=pixels)["image"], cv2.COLOR_RGB2BGR)
    name = str(folder / f"{path.parent.name}-{path.stem}-{number}.jpg")
    cv2.imwrite(name, pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def augmentor(data: Path, images: int, _: int) -> float:
    """Use Augmentor's pipeline. It writes JPEG at Pillow's quality 75, which is no more work."""
    import Augmentor

    with tempfile.TemporaryDirectory() as folder:
        pipeline = Augmentor.Pipeline(str(data.resolve()), folder, save_format="JPEG")
        pipeline.resize(probability=1, width=SIZE, height=SIZE)
        pipeline.rotate(probability=1, max_left_rotation=DEGREES, max_right_rotation=DEGREES)
        pipeline.flip_left_right(probability=0.5)
        pipeline.random_brightness(1, 1 - BRIGHTNESS, 1 + BRIGHTNESS)
        pipeline.random_contrast(1, 1 - CONTRAST, 1 + CONTRAST)
        start = time.perf_counter()
        pipeline.sample(images)
        return time.perf_counter() - start


def photographs(data: Path) -> list[Path]:
    """The JPEG files of a folder of folders."""
    return sorted(path for path in data.glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg"))


def shared_out(data: Path, images: int) -> list[tuple[Path, int]]:
    """Each photograph, with the number of images to make of it."""
    paths = photographs(data)
    full, extra = divmod(images, len(paths))
    return [(path, full + (place < extra)) for place, path in enumerate(paths)]


def timed(function: Callable[[Any], None], items: Sequence[Any], workers: int) -> float:
    """The seconds that a function takes for all items."""
    start = time.perf_counter()
    if workers == 1:
        for item in items:
            function(item)
    else:
        # Fork, so that the peers do not load their libraries again.
        with get_context("fork").Pool(workers) as pool:
            pool.map(function, items, chunksize=max(1, len(items) // (workers * 16)))
    return time.perf_counter() - start


CONTENDERS: dict[str, Callable[[Path, int, int], float]] = {
    "ballast": ballast,
    "albumentations": albumentations,
    "augmentor": augmentor,
    "pillow": pillow,
    "limit": limit,
    "limits": limits,
}


if __name__ == "__main__":
    main()
