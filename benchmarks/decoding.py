"""Measure the time and memory of decoding the costliest accepted image of each kind.

    python -m benchmarks.decoding                     data.max_megapixels of params.yaml
    python -m benchmarks.decoding --megapixels 50

Writes an image of noise of that size for each kind, and decodes it --repeats times, each time in a
new process. Prints the median time, and the largest increase in peak memory.
"""

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image
from tabulate import tabulate

from ballast.core.files import read_text
from ballast.core.images import decode_image
from ballast.core.params import parse_params

TURNED = Image.Exif()
TURNED[0x0112] = 6
# Kind: Pillow's format, mode and options.
KINDS: dict[str, tuple[str, str, dict[str, object]]] = {
    "JPEG": ("JPEG", "RGB", {}),
    "JPEG, progressive": ("JPEG", "RGB", {"progressive": True}),
    "JPEG, CMYK": ("JPEG", "CMYK", {}),
    "JPEG, turned by EXIF": ("JPEG", "RGB", {"exif": TURNED.tobytes()}),
    "PNG": ("PNG", "RGB", {"compress_level": 1}),
    "PNG, transparent": ("PNG", "RGBA", {"compress_level": 1}),
    "PNG, 16 bits": ("PNG", "I;16", {"compress_level": 1}),
    "PNG, palette": ("PNG", "P", {"compress_level": 1}),
    "WebP": ("WEBP", "RGB", {"method": 0}),
    "HEIC": ("HEIF", "RGB", {"quality": 60}),
    "AVIF": ("AVIF", "RGB", {"quality": 60, "speed": 10}),
    "GIF": ("GIF", "P", {}),
    "TIFF, LZW": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "TIFF, floats": ("TIFF", "F", {}),
}


def main() -> None:
    """Run the benchmark; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--decode", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    shipped = parse_params(read_text(Path("params.yaml"))).data.max_megapixels
    megapixels = arguments.megapixels or shipped
    if arguments.decode:
        print(*decode(arguments.decode, megapixels))
        return

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = Path(folder) / "image"
            path.write_bytes(noise(kind, megapixels))
            command = [sys.executable, "-m", "benchmarks.decoding", "--decode", str(path)]
            command += ["--megapixels", str(megapixels)]
            costs = []
            for _ in range(arguments.repeats):
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                costs.append([float(word) for word in said.split()])
            seconds, mebibytes = zip(*costs, strict=True)
            size = path.stat().st_size / 2**20
            rows.append([kind, size, statistics.median(seconds), max(mebibytes)])
    headers = [f"{megapixels:g} megapixels", "file MiB", "median s", "memory MiB"]
    formats = ("", ".0f", ".2f", ".0f")
    print(tabulate(rows, headers=headers, floatfmt=formats, tablefmt="github"))


def noise(kind: str, megapixels: float) -> bytes:
    """A square image file of random pixels."""
    format_, mode, options = KINDS[kind]
    side = int((megapixels * 1e6) ** 0.5)
    pixels = np.random.default_rng(1).integers(0, 256, (side // 10, side // 10, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((side, side))
    if mode == "RGBA":
        image.putalpha(128)
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def decode(path: Path, megapixels: float) -> tuple[float, float]:
    """Decode once.

    Returns:
        Seconds, and the increase of the process's peak memory in MiB.
    """
    data = path.read_bytes()
    before = _most_memory()
    started = time.perf_counter()
    decode_image(data, megapixels)
    seconds = time.perf_counter() - started
    return seconds, _most_memory() - before


def _most_memory() -> float:
    """Peak memory in MiB, from /proc: getrusage includes the parent's memory."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
