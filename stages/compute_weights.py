"""Compute the class weights of the loss from the counts before oversampling."""

from ballast.balance.class_weights import class_weights
from ballast.core import paths
from ballast.core.counts import train_counts
from ballast.core.errors import one_line_errors
from ballast.core.files import read_json, read_text, write_json
from ballast.core.params import parse_params
from ballast.core.stage_times import timed


def main() -> None:
    """Read outputs/class_counts.json; write outputs/class_weights.json."""
    strategy = parse_params(read_text(paths.PARAMS)).active_strategy
    counts = train_counts(read_json(paths.CLASS_COUNTS))
    weights = class_weights(counts, strategy.class_weights, strategy.weight_power, strategy.beta)
    write_json(paths.CLASS_WEIGHTS, weights)
    for name, weight in weights.items():
        print(f"{name}: {weight:.3f}")


if __name__ == "__main__":
    with one_line_errors(), timed("compute-weights"):
        main()
