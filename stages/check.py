"""Check params.yaml and the folder that it names, before DVC runs anything.

No stage of the DAG: DVC looks for data.raw before a stage of ours could say what is wrong.
"""

from pathlib import Path

from ballast.errors import one_line_errors
from ballast.files import read_text
from ballast.inventory import list_files
from ballast.params import parse_params


def main() -> None:
    """Read params.yaml and list data.raw."""
    params = parse_params(read_text(Path("params.yaml")))
    files = list_files(Path(params.data.raw))
    print(f"params.yaml is in order; {len(files)} files in {params.data.raw}")


if __name__ == "__main__":
    with one_line_errors():
        main()
