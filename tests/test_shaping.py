"""What is kept between runs is made anew after a change of any module that shapes its bytes."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from test_dvc_yaml import import_closure

from ballast.augment import variants
from ballast.model import features, probe_file

ROOT = Path(__file__).parent.parent
# These check, name, move or time what others make; or they are part of a record's key themselves,
# such as params, weights and the codecs.
SHAPES_NOTHING = {
    f"ballast/{module}"
    for module in (
        "core/counts.py", "core/errors.py", "core/files.py", "core/manifest.py", "core/mapped.py",
        "core/parquet_images.py", "core/params.py", "core/paths.py", "core/shards.py",
        "core/source.py", "core/store.py", "model/inputs.py", "model/logits.py",
        "model/weight_files.py", "workers/dask.py", "workers/processes.py", "workers/progress.py",
        "workers/threads.py", "workers/versions.py",
    )
}  # fmt: skip


@pytest.mark.parametrize(
    ("shaping", "besides"),
    [
        pytest.param(variants.SHAPING, (), id="variants"),
        pytest.param(features.SHAPING, (), id="features"),
        pytest.param(probe_file.SHAPING, features.SHAPING, id="blank models"),
    ],
)
def test_the_modules_of_a_key_are_all_that_shape_the_record(
    shaping: Sequence[str], besides: Sequence[str]
) -> None:
    named = {f"ballast/{module}" for module in (*shaping, *besides)}
    imported = {file for module in named for file in import_closure(ROOT / module)}
    modules = {file for file in imported if not file.endswith("__init__.py")}
    assert modules - SHAPES_NOTHING <= named
