"""How many rounds of augmentation each photograph gets, and the images that come of it."""

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence

from PIL import Image

from ballast.augmentation import apply_transform, draw_transform
from ballast.images import decode_image, resize_image
from ballast.manifest import Row
from ballast.params import Augment


def target_counts(counts: Mapping[str, int], factor: int, oversample: bool) -> dict[str, int]:
    """Images that each class will have.

    Args:
        counts: training images by class.
        factor: 1 or more.
        oversample: True for factor × the largest class, False for factor × the class's own.

    Returns:
        Target by class name.
    """
    largest = max(counts.values())
    return {name: factor * (largest if oversample else n) for name, n in counts.items()}


def plan_rounds(rows: Sequence[Row], targets: Mapping[str, int]) -> list[tuple[Row, int]]:
    """Share exactly its target of images out over the photographs of each class.

    A class of n needs max(1, ceil(target / n)) rounds; the last is cut to the target.
    Which photographs the last round leaves out depends on their content, not on their names.

    Args:
        rows: the photographs, no two of one class with the same content.
        targets: images wanted by class, at least as many as it has photographs, which are one
            or more.

    Returns:
        Each photograph with its number of rounds, round 0 (itself) included, by class in the
        order of `targets`, then by sha256; the rounds of a class sum to its target.
    """
    by_class: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.sha256):
        by_class[row.class_].append(row)
    plan = []
    for name, target in targets.items():
        full, extra = divmod(target, len(by_class[name]))
        plan += [(row, full + (place < extra)) for place, row in enumerate(by_class[name])]
    return plan


def augmented_images(
    data: bytes, sha256: str, rounds: int, seed: int, size: int, augment: Augment
) -> list[bytes]:
    """Make every round of one photograph; it is decoded once.

    Args:
        data: the photograph's file.
        sha256: of `data`, in hexadecimal.
        rounds: images to make, 1 or more.
        seed: params' seed.
        size: side in pixels of the images made.
        augment: bounds of the transforms, and the JPEG quality.

    Returns:
        JPEG files in the order of the rounds; round 0 is the photograph itself, resized.

    Raises:
        ImageError: as decode_image does.
    """
    original = resize_image(decode_image(data), size)
    files = [_jpeg(original, augment.quality)]
    for round_ in range(1, rounds):
        transform = draw_transform(seed, sha256, round_, augment)
        files.append(_jpeg(apply_transform(original, transform), transform.quality))
    return files


def augmented_path(row: Row, round_: int) -> str:
    """Where an image goes, by source and round: <class>/<stem>-<id>-r<round>.jpg."""
    stem = row.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    # 100 bytes leave room for the rest within the 255 bytes of common file systems.
    short = stem.encode()[:100].decode(errors="ignore")
    return f"{row.class_}/{short}-{row.sha256[:12]}-r{round_:03d}.jpg"


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    # Full-resolution colour: at 64 pixels a side the usual halving blurs what little there is.
    image.save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()
