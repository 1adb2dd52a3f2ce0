"""Versions of what determines the bytes that workers make: this code and its libraries."""

from functools import cache
from importlib.metadata import version

from PIL import features

from ballast.core.source import BALLAST, source_hash

# The packages that read photographs and make images from them, here or on another machine.
ROOMS = ("core", "workers", "dataset", "augment")
LIBRARIES = ("numpy", "pillow", "pillow-heif", "imagehash", "scipy")
# Pillow's wheels bundle these; another build of the same Pillow may have other versions. zlib is
# left out: all versions decompress alike, and TensorFlow's replaces it if loaded first.
CODECS = {
    "libjpeg": "jpg",
    "libjpeg-turbo": "libjpeg_turbo",
    "libwebp": "webp",
    "libtiff": "libtiff",
    "libavif": "avif",
    "littlecms2": "littlecms2",
}


@cache
def code_versions(rooms: tuple[str, ...] = ROOMS) -> dict[str, str]:
    """Versions by name; Ballast's is a hash of the code in some rooms."""
    return {
        "ballast": source_hash(BALLAST / room for room in rooms)[:12],
        **{name: version(name) for name in LIBRARIES},
        **{name: features.version(codec) or "none" for name, codec in CODECS.items()},
    }


def different_version(expected: dict[str, str], rooms: tuple[str, ...]) -> str | None:
    """Describe the first difference: "pillow 12.2.0 instead of 12.3.0"; None if there is none."""
    here = code_versions(rooms)
    for name in expected:
        if here.get(name) != expected[name]:
            return f"{name} {here.get(name)} instead of {expected[name]}"
    return None
