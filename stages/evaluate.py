"""Judge the predictions: figures for dvc metrics, a page for people, and the model's card."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tabulate import tabulate

from ballast.core.errors import one_line_errors
from ballast.core.files import intact, read_json, read_text, write_bytes, write_csv, write_json
from ballast.core.params import Params, as_dict, dotted, parse_params
from ballast.report.model_card import model_card
from ballast.report.pages import report_page
from ballast.report.plots import confusion_plot
from ballast.scores.advice import recommendations
from ballast.scores.intervals import as_json, metric_intervals
from ballast.scores.metrics import ReliabilityBin, compute_metrics, reliability
from ballast.scores.predictions import read_predictions
from ballast.scores.run import Run, read_run
from ballast.scores.verdict import verdict

# Not in metrics.json: with them, dvc exp show and dvc metrics diff would have five columns or rows
# a class.
CLASS_METRICS = ("precision", "f1", "roc_auc", "average_precision")


def main() -> None:
    """Read what the stages wrote; write the metrics, tables for plots, the report and the card."""
    params = parse_params(read_text(Path("params.yaml")))
    predictions = read_predictions(Path("outputs/predictions.csv"))
    metrics = compute_metrics(predictions)
    intervals = as_json(metric_intervals(predictions, params.seed))
    tracked = dotted(as_dict(params, without=("runtime",)))
    run = read_run(params.strategy, Path(), Path(params.data.raw), tracked, intervals)
    hashes = fingerprints(run)

    write_json(
        Path("outputs/metrics.json"),
        {name: value for name, value in metrics.items() if name not in CLASS_METRICS},
    )
    write_json(Path("outputs/class_metrics.json"), {name: metrics[name] for name in CLASS_METRICS})
    # Apart from the predictions, because DVC writes all of a row into its page of plots as it is:
    # a path with </script> in it would be run.
    pairs = zip(predictions.true, predictions.predicted, strict=True)
    write_csv(Path("outputs/confusion.csv"), ("true", "predicted"), pairs)
    # Without the classes that no test photograph has: a plot would show them at 0.
    recalls = [(name, value) for name, value in metrics["recall"].items() if value is not None]
    write_csv(Path("outputs/class_recall.csv"), ("class", "recall"), rounded(recalls))
    write_csv(
        Path("outputs/reliability.csv"), ReliabilityBin._fields, rounded(reliability(predictions))
    )
    write_bytes(
        Path("outputs/confusion.png"),
        confusion_plot(predictions.classes, predictions.true, predictions.predicted),
    )

    sentence = verdict(predictions, run.counts, intervals)
    advice = [found.text for found in recommendations([run], {})]
    write_bytes(Path("outputs/report.html"), report_page(run, sentence, advice).encode())
    card = model_card(
        predictions.classes, run.counts, intervals, sentence, settings(params), hashes
    )
    write_bytes(Path("outputs/model_card.md"), card.encode())

    by_class = ("recall", "precision", "f1")
    rows = [
        [
            name,
            run.counts[name]["train"],
            run.counts[name]["test"],
            *(metrics[key][name] for key in by_class),
        ]
        for name in predictions.classes
    ]
    print(tabulate(rows, headers=["class", "train", "test", *by_class], floatfmt=".3f"))
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "worst_class_recall"):
        print(f"{key}: {metrics[key]:.3f}")
    print(sentence)


def settings(params: Params) -> dict[str, object]:
    """What the model was trained with, by dotted key."""
    return {
        "seed": params.seed,
        "strategy": params.strategy,
        **{f"strategy.{key}": value for key, value in as_dict(params.active_strategy).items()},
        "data.image_size": params.data.image_size,
        **{f"train.{key}": value for key, value in as_dict(params.train).items()},
    }


def fingerprints(run: Run) -> dict[str, str]:
    """SHA-256 of the code, the data and the model."""
    training, model = Path("outputs/training.json"), Path("models/model.keras")
    trained = read_json(training)
    with intact(training):
        code, weights = trained["code_sha256"], dict(trained["weights_sha256"])
    with intact(model):
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
    data = {path: run.fingerprints[path] for path in ("data/manifest.csv", "data/augmented.csv")}
    return {"the code that trained it": code, **data, str(model): digest, **weights}


def rounded(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Rows for a CSV file, floats with 12 significant digits, as write_json has them."""
    return [[f"{c:.12g}" if isinstance(c, float) else c for c in row] for row in rows]


if __name__ == "__main__":
    with one_line_errors():
        main()
