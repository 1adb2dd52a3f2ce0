"""Which code made something, as a hash."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

BALLAST = Path(__file__).parent.parent


def source_hash(places: Iterable[Path]) -> str:
    """SHA-256 of Python source, by content: neither paths nor dates count.

    Args:
        places: files, or folders of which every .py file counts; their order does not matter.

    Raises:
        FileNotFoundError: where a place holds no .py file, since its changes would go unseen.
    """
    files: set[Path] = set()
    for place in places:
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        if not found:
            raise FileNotFoundError(f"{place}: no Python source in it")
        files.update(found)
    digests = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files)
    return hashlib.sha256(b"".join(digests)).hexdigest()
