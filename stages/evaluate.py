"""Evaluate the predictions: metrics for DVC, the report and the model card."""

from pathlib import Path

from ballast.comparison.page import run_page
from ballast.comparison.runs import answer, headlines, verdicts_of
from ballast.core import paths
from ballast.core.errors import one_line_errors
from ballast.core.files import intact, read_json, read_text, write_bytes, write_csv, write_json
from ballast.core.params import as_dict, dotted, parse_params
from ballast.core.stage_times import timed
from ballast.report.model_card import model_card, training_settings
from ballast.report.pictures import explained_pictures, run_pictures
from ballast.report.plots import confusion_plot
from ballast.scores.explanations import read_explanations
from ballast.scores.intervals import interval_text, values_of
from ballast.scores.judged import confusion_counts, recall_by_training
from ballast.scores.metrics import DETAILS, ReliabilityBin, mean_metrics, reliability
from ballast.scores.run import model_fingerprints, read_reference, read_run
from ballast.scores.sentences import photographs


def main() -> None:
    """Read the stages' outputs; write metrics, tables for plots, the report and the model card."""
    params = parse_params(read_text(paths.PARAMS))
    tracked = dotted(as_dict(params, without=("runtime",)))
    run = read_run(params.strategy, Path(), tracked)
    reference = read_reference(run, Path(), params.cross_validation.reference)
    explained = read_explanations(Path())
    fingerprints = model_fingerprints(run)  # before anything is written: it may be missing
    metrics = mean_metrics(run.predictions) | values_of(run.metrics)

    # A separate file for details, which would add five columns or rows per class to dvc exp show
    # and dvc metrics diff.
    write_json(paths.METRICS, {key: metrics[key] for key in metrics if key not in DETAILS})
    write_json(paths.CLASS_METRICS, {key: metrics[key] for key in DETAILS})
    # Separate from the predictions, because DVC writes whole rows unescaped into its page of plots:
    # a path that contains </script> could inject code.
    names, matrix = run.judged.classes, confusion_counts(run.judged)
    pairs = (
        (true, guess)
        for true, row in zip(names, matrix.tolist(), strict=True)
        for guess, count in zip(names, row, strict=True)
        for _ in range(count)
    )
    write_csv(paths.CONFUSION, ("true", "predicted"), pairs)
    # Without classes that were not judged: a plot would show them at 0.
    recalls = [
        (arm.name, number, name, recall)
        for arm in (reference, run)
        if arm
        for number, by_class in enumerate(recall_by_training(arm.judged), start=1)
        for name, recall in by_class.items()
    ]
    write_csv(paths.CLASS_RECALL, ("strategy", "training", "class", "recall"), recalls)
    write_csv(paths.RELIABILITY, ReliabilityBin._fields, reliability(run.predictions))
    write_bytes(paths.CONFUSION_PLOT, confusion_plot(names, matrix))

    report = read_json(paths.DATA_REPORT)
    with intact(paths.DATA_REPORT):
        left_out, dropped = report["rejected_by_reason"], report["dropped"].keys()
        conflicts = [case for case in report["label_conflicts"] if not case.keys() & dropped]
    found = answer(run, reference, left_out, len(conflicts), explained)
    write_json(paths.ANSWER, found)
    write_json(paths.CROSS_VALIDATION, headlines(found))
    raw = Path(params.data.raw)
    pictures = run_pictures(run, Path(), raw)
    looks = explained_pictures(explained, pictures, Path(), raw)
    write_bytes(paths.REPORT, run_page(run, reference, found, pictures, looks).encode())
    card = model_card(run, verdicts_of(found), training_settings(params), fingerprints)
    write_bytes(paths.MODEL_CARD, card.encode())
    # Not the verdicts: make prints them below, with the rest of the answer.
    judged, accuracy = len(run.judged.true), interval_text(run.metrics.accuracy, digits=2)
    print(f"accuracy {accuracy}, of {photographs(judged)}")
    print(f"{paths.REPORT} shows it class by class; ballast answer prints what to do next")


if __name__ == "__main__":
    with one_line_errors(), timed("evaluate"):
        main()
