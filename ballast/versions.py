"""Versions of all that shapes the bytes made of a photograph: this code, and its libraries."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from PIL import features

LIBRARIES = ("numpy", "pillow", "imagehash", "scipy")
# Pillow's own wheels bring these along; another build of the same Pillow may have others.
CODECS = {
    "libjpeg": "jpg",
    "libjpeg-turbo": "libjpeg_turbo",
    "zlib": "zlib",
    "libwebp": "webp",
    "libtiff": "libtiff",
}


@cache
def code_versions() -> dict[str, str]:
    """Versions by name; Ballast's is a hash of its modules."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    code = hashlib.sha256(b"\0".join(path.read_bytes() for path in modules)).hexdigest()
    return {
        "ballast": code[:12],
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
