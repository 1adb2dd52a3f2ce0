"""Versions of all that shapes the bytes made of a photograph: this code, and its libraries."""

from functools import cache
from importlib.metadata import version

from PIL import features

from ballast.core.source import BALLAST, source_hash

# What reads photographs and makes images of them, here or on another machine.
ROOMS = ("core", "workers", "dataset", "augment")
LIBRARIES = ("numpy", "pillow", "imagehash", "scipy")
# Pillow's own wheels bring these along; another build of the same Pillow may have others. Without
# zlib: every one unpacks the same, and TensorFlow's takes its place where that is loaded first.
CODECS = {
    "libjpeg": "jpg",
    "libjpeg-turbo": "libjpeg_turbo",
    "libwebp": "webp",
    "libtiff": "libtiff",
}


@cache
def code_versions() -> dict[str, str]:
    """Versions by name; Ballast's is a hash of ROOMS."""
    return {
        "ballast": source_hash(BALLAST / room for room in ROOMS)[:12],
        **{name: version(name) for name in LIBRARIES},
        **{name: features.version(codec) or "none" for name, codec in CODECS.items()},
    }


def different_version(expected: dict[str, str]) -> str | None:
    """The first that is another one here, in words: "pillow 12.2.0, not 12.3.0"; None for none."""
    here = code_versions()
    for name in expected:
        if here.get(name) != expected[name]:
            return f"{name} {here.get(name)}, not {expected[name]}"
    return None
