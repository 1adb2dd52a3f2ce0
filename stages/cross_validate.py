"""Judge every photograph by linear heads that have not seen it, with and without balancing."""

from collections.abc import Sequence

from ballast.core import paths
from ballast.core.errors import counted, one_line_errors
from ballast.core.files import read_text, write_bytes
from ballast.core.greys import read_range
from ballast.core.manifest import class_names, has_test_folder, read_manifest
from ballast.core.params import parse_params
from ballast.core.stage_times import timed
from ballast.core.store import ContentStore
from ballast.dataset.folds import fold_trials, given_trial
from ballast.model.cross_validation import (
    cross_validate,
    judgements_of,
)
from ballast.model.features import read_backbone
from ballast.model.head_fitting import Head
from ballast.model.judging_heads import heads_bytes
from ballast.scores.predictions import Judgements, write_judgements
from ballast.workers.processes import engine_of


def main() -> None:
    """Read the manifest and the photographs; write outputs/cross_validation.csv and the heads."""
    params = parse_params(read_text(paths.PARAMS))
    wanted, linear = params.cross_validation, params.train.has_linear_head
    folds, size = params.split.folds, params.data.image_size
    rows = [row for row in read_manifest(paths.MANIFEST) if row.split != "val"]
    given = has_test_folder(rows)
    judgements: Judgements = {}
    heads: Sequence[Head] = ()
    if not wanted.seeds:
        print("cross_validation.seeds is 0: nothing to do")
    elif not linear:
        print(f"{params.train.backbone} takes long to train: see ballast cross-validate --help")
    elif given and not wanted.test_folder:
        print("data.raw has a test set, which the saved model judges; see also make compare")
    else:
        seeds = [(params.seed + number) % 2**32 for number in range(wanted.seeds)]
        found = cross_validate(
            {s: [given_trial(rows)] if given else fold_trials(rows, folds, s) for s in seeds},
            {name: params.strategies[name] for name in (wanted.reference, params.strategy)},
            params,
            read_backbone(
                params.train, size, paths.KERAS_DOWNLOADS, engine_of(params.runtime).workers
            ),
            ContentStore(paths.IMAGE_STORE, params.runtime.image_store),
            read_range(paths.RANGE),
        )
        judgements, heads = judgements_of(found), found[params.strategy][seeds[0]].heads
    write_bytes(paths.HEADS, heads_bytes(heads))
    write_judgements(paths.JUDGEMENTS, class_names(rows), judgements)
    for name, by_seed in judgements.items():
        judged = counted(len(next(iter(by_seed.values())).paths), "photograph")
        print(f"{name}: {judged}, each judged by {counted(len(by_seed), 'model')}")


if __name__ == "__main__":
    with one_line_errors(), timed("cross-validate"):
        main()
