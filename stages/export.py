"""Export the trained model to the formats of other runtimes."""

import argparse
import sys
from collections.abc import Sequence

from ballast.core import paths
from ballast.core.errors import one_line_errors
from ballast.core.files import write_bytes
from ballast.export import EXPORTERS
from ballast.keras_setup import make_deterministic
from ballast.model.model_file import read_info
from ballast.model.saved import load_model


def main(arguments: Sequence[str]) -> None:
    """Read models/model.keras; write exports/model.<format> for every format in `arguments`."""
    parser = argparse.ArgumentParser(prog="python -m stages.export", description=__doc__)
    parser.add_argument("formats", nargs="+", choices=EXPORTERS, metavar="FORMAT")
    formats: list[str] = parser.parse_args(arguments).formats
    path = paths.MODEL
    info = read_info(path)
    make_deterministic(0, info.threads)
    model = load_model(path)
    for format_ in formats:
        exported = paths.EXPORTS / f"model.{format_}"
        write_bytes(exported, EXPORTERS[format_](model, info))
        print(f"{exported}: {exported.stat().st_size:,} bytes")


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1:])
