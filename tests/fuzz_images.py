"""Fuzz the decoding of image files, guided by coverage; make fuzz runs it.

    python tests/fuzz_images.py CORPUS [libFuzzer's options]

Starts from valid images of every format. Stops at any exception but ImageError, and at images that
take 2 s or 1 GiB.
"""

import io
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "ballast", "pillow_heif"]):
    import pillow_heif
    from PIL import Image

    from ballast.core.images import ImageError, decode_image, resize_image, without_warnings

MAX_MEGAPIXELS = 30


def main() -> None:
    """Write the first files of the corpus, then fuzz until something breaks or the time is up."""
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    picture = Image.linear_gradient("L").resize((24, 16))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"):
        for format_ in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "MPO", "HEIF", "AVIF"):
            file = io.BytesIO()
            try:
                picture.convert(mode).save(file, format_)
            except (OSError, ValueError, KeyError):
                continue  # the format has no such mode
            (corpus / f"{format_}-{mode.replace(';', '')}").write_bytes(file.getvalue())
    limits = ["-timeout=2", "-malloc_limit_mb=1024", f"-artifact_prefix={corpus}/broke-"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[1:]], decode)
    atheris.Fuzz()


def decode(data: bytes) -> None:
    """Decode as the pipeline does."""
    with without_warnings():
        try:
            image = resize_image(decode_image(data, MAX_MEGAPIXELS), 16)
        except ImageError:
            return
    assert (image.mode, image.size) == ("RGB", (16, 16))


if __name__ == "__main__":
    main()
