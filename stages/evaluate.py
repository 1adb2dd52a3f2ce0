"""Judge the predictions: figures for dvc metrics, and the confusion matrix as a picture."""

from pathlib import Path

from tabulate import tabulate

from ballast.errors import one_line_errors
from ballast.files import read_json, write_bytes, write_csv, write_json
from ballast.metrics import compute_metrics
from ballast.plots import confusion_plot
from ballast.predictions import read_predictions


def main() -> None:
    """Read outputs/predictions.csv and the counts; write outputs/metrics.json and confusion.*."""
    predictions = read_predictions(Path("outputs/predictions.csv"))
    counts = read_json(Path("outputs/class_counts.json"))
    metrics = compute_metrics(predictions)
    write_json(Path("outputs/metrics.json"), metrics)
    # Apart from the predictions, because DVC writes all of a row into its page of plots as it is:
    # a path with </script> in it would be run.
    pairs = zip(predictions.true, predictions.predicted, strict=True)
    write_csv(Path("outputs/confusion.csv"), ("true", "predicted"), pairs)
    write_bytes(
        Path("outputs/confusion.png"),
        confusion_plot(predictions.classes, predictions.true, predictions.predicted),
    )

    by_class = ("recall", "precision", "f1")
    rows = [
        [
            name,
            counts[name]["train"],
            counts[name]["test"],
            *(metrics[key][name] for key in by_class),
        ]
        for name in predictions.classes
    ]
    print(tabulate(rows, headers=["class", "train", "test", *by_class], floatfmt=".3f"))
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "worst_class_recall"):
        print(f"{key}: {metrics[key]:.3f}")


if __name__ == "__main__":
    with one_line_errors():
        main()
