"""Write the model card: what the model is, how well it does, and what it is not for."""

import hashlib
from pathlib import Path

from ballast.errors import one_line_errors
from ballast.files import read_json, read_text, write_bytes
from ballast.intervals import as_json, metric_intervals
from ballast.model_card import model_card
from ballast.params import as_dict, parse_params
from ballast.predictions import read_predictions
from ballast.verdict import verdict

DATA = (Path("data/manifest.csv"), Path("data/augmented.csv"), Path("models/model.keras"))


def main() -> None:
    """Read what the stages wrote; write outputs/model_card.md."""
    params = parse_params(read_text(Path("params.yaml")))
    predictions = read_predictions(Path("outputs/predictions.csv"))
    counts = read_json(Path("outputs/class_counts.json"))
    training = read_json(Path("outputs/training.json"))
    intervals = as_json(metric_intervals(predictions, params.seed))
    settings = {
        "seed": params.seed,
        "strategy": params.strategy,
        **{f"strategy.{key}": value for key, value in as_dict(params.active_strategy).items()},
        "data.image_size": params.data.image_size,
        **{f"train.{key}": value for key, value in as_dict(params.train).items()},
    }
    fingerprints = {
        "the code that trained it": training["code_sha256"],
        **{str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in DATA},
        **training["weights_sha256"],
    }
    sentence = verdict(predictions, counts, intervals)
    card = model_card(predictions.classes, counts, intervals, sentence, settings, fingerprints)
    write_bytes(Path("outputs/model_card.md"), card.encode())


if __name__ == "__main__":
    with one_line_errors():
        main()
