"""Judge the predictions: figures for dvc metrics, a page for people, and the model card."""

from pathlib import Path

from tabulate import tabulate

from ballast.core import paths
from ballast.core.errors import one_line_errors
from ballast.core.files import read_text, write_bytes, write_csv, write_json
from ballast.core.params import as_dict, dotted, parse_params
from ballast.report.model_card import model_card, training_settings
from ballast.report.pages import report_page
from ballast.report.pictures import run_pictures
from ballast.report.plots import confusion_plot
from ballast.scores.advice import recommendations
from ballast.scores.metrics import DETAILS, ReliabilityBin, compute_metrics, reliability
from ballast.scores.run import model_fingerprints, read_run
from ballast.scores.verdict import verdict


def main() -> None:
    """Read what the stages wrote; write the metrics, tables for plots, the report and the card."""
    params = parse_params(read_text(paths.PARAMS))
    tracked = dotted(as_dict(params, without=("runtime",)))
    run = read_run(params.strategy, Path(), tracked, params.seed)
    predictions, counts = run.predictions, run.counts
    fingerprints = model_fingerprints(run)  # before anything is written: it may be missing
    metrics = compute_metrics(predictions)

    # The details apart: with them, dvc exp show and dvc metrics diff would have five columns or
    # rows per class.
    write_json(paths.METRICS, {key: metrics[key] for key in metrics if key not in DETAILS})
    write_json(paths.CLASS_METRICS, {key: metrics[key] for key in DETAILS})
    # Apart from the predictions, because DVC writes all of a row into its page of plots as it is:
    # a path with </script> in it would be run.
    pairs = zip(predictions.true, predictions.predicted, strict=True)
    write_csv(paths.CONFUSION, ("true", "predicted"), pairs)
    # Without the classes that have no test photograph: a plot would show them at 0.
    recalls = [(name, value) for name, value in metrics["recall"].items() if value is not None]
    write_csv(paths.CLASS_RECALL, ("class", "recall"), recalls)
    write_csv(paths.RELIABILITY, ReliabilityBin._fields, reliability(predictions))
    plot = confusion_plot(predictions.classes, predictions.true, predictions.predicted)
    write_bytes(paths.CONFUSION_PLOT, plot)

    sentence = verdict(predictions, counts, run.metrics)
    advice = [found.text for found in recommendations([run], {})]
    pictures = run_pictures(run, Path(), Path(params.data.raw))
    write_bytes(paths.REPORT, report_page(run, pictures, sentence, advice).encode())
    card = model_card(run, sentence, training_settings(params), fingerprints)
    write_bytes(paths.MODEL_CARD, card.encode())

    rows = [
        [
            name,
            counts[name]["train"],
            counts[name]["test"],
            *(metrics[key][name] for key in ("recall", "precision", "f1")),
        ]
        for name in predictions.classes
    ]
    headers = ["class", "train", "test", "recall", "precision", "f1"]
    print(tabulate(rows, headers=headers, floatfmt=".3f"))
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "worst_class_recall"):
        print(f"{key}: {metrics[key]:.3f}")
    print(sentence)


if __name__ == "__main__":
    with one_line_errors():
        main()
