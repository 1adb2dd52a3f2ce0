"""Metrics of predictions, overall and per class."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from ballast.scores.predictions import Predictions

# Details per class, written to a separate file.
DETAILS = ("precision", "f1", "roc_auc", "average_precision")
# Guo et al. 2017 (arXiv:1706.04599) use 15 bins of equal width, and so do later papers. Edges of
# equal-mass bins differ between models, so the diagrams of two runs could not be compared.
CALIBRATION_BINS = 15


class ReliabilityBin(NamedTuple):
    """The photographs whose predicted probability falls into one bin, in all trainings."""

    bin: int  # 1 to CALIBRATION_BINS; bin b is (b - 1, b] / CALIBRATION_BINS
    confidence: float  # mean probability of the predicted class
    accuracy: float
    photographs: float  # the mean over trainings


def compute_metrics(predictions: Predictions) -> dict[str, Any]:
    """Compute all metrics of predictions.

    balanced_accuracy, macro_f1 and worst_class_recall cover the classes that have test photographs;
    the metrics of any other class are None. roc_auc and average_precision are one-vs-rest, and None
    as well if every test photograph belongs to the class.

    calibration_error is the expected calibration error of Guo et al. 2017, eq. 3: the mean absolute
    difference between confidence and accuracy over the bins of `reliability`, weighted by the share
    of photographs in each. With few photographs it stays above 0 even for a perfectly calibrated
    model, since the accuracy of each bin is noisy.

    Args:
        predictions: at least one photograph.

    Returns:
        accuracy, balanced_accuracy, macro_f1, worst_class_recall, log_loss (in nats) and
        calibration_error, then recall, precision, f1, roc_auc and average_precision by class
        name; all but log_loss lie between 0 and 1.
    """
    classes, true, predicted = predictions.classes, predictions.true, predictions.predicted
    precision, recall, f1, support = precision_recall_fscore_support(
        true, predicted, labels=classes, zero_division=0.0
    )
    tested = support > 0

    def by_class(values: NDArray[np.float64]) -> dict[str, float | None]:
        return {
            name: float(value) if has_photos else None
            for name, value, has_photos in zip(classes, values, tested, strict=True)
        }

    def against_rest(score: Callable[..., float]) -> dict[str, float | None]:
        return {
            name: float(score([label == name for label in true], column))
            if 0 < photos < len(true)
            else None
            for name, photos, column in zip(
                classes, support, predictions.probabilities.T, strict=True
            )
        }

    indices = [classes.index(name) for name in true]
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "balanced_accuracy": float(recall[tested].mean()),
        "macro_f1": float(f1[tested].mean()),
        "worst_class_recall": float(recall[tested].min()),
        "log_loss": float(
            log_loss(indices, predictions.probabilities, labels=np.arange(len(classes)))
        ),
        "calibration_error": calibration_error(reliability([predictions])),
        "recall": by_class(recall),
        "precision": by_class(precision),
        "f1": by_class(f1),
        "roc_auc": against_rest(roc_auc_score),
        "average_precision": against_rest(average_precision_score),
    }


def mean_metrics(trainings: Sequence[Predictions]) -> dict[str, Any]:
    """Compute the mean of each metric over one or more trainings; see compute_metrics."""
    found = [compute_metrics(predictions) for predictions in trainings]

    def means(of: Sequence[dict[str, Any]]) -> dict[str, Any]:
        columns = {name: [values[name] for values in of] for name in of[0]}
        return {
            name: means(column)
            if isinstance(column[0], dict)
            else None
            if column[0] is None
            else fmean(column)
            for name, column in columns.items()
        }

    return means(found)


def reliability(trainings: Sequence[Predictions]) -> list[ReliabilityBin]:
    """Compare the confidence of predictions with their accuracy, bin by bin.

    Args:
        trainings: predictions of one or more trainings for the same photographs.

    Returns:
        The bins that contain photographs, in order; in each, the accuracy of a well-calibrated
        model is close to its confidence.
    """
    confidence = np.concatenate([of.probabilities.max(axis=1) for of in trainings])
    right = np.concatenate([np.array(of.true) == np.array(of.predicted) for of in trainings])
    inner_edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    places = np.searchsorted(inner_edges, confidence)
    return [
        ReliabilityBin(
            int(place) + 1,
            float(confidence[places == place].mean()),
            float(right[places == place].mean()),
            np.count_nonzero(places == place) / len(trainings),
        )
        for place in np.unique(places)
    ]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean absolute difference between confidence and accuracy, weighted by photographs per bin."""
    photographs = sum(b.photographs for b in bins)
    return sum(abs(b.accuracy - b.confidence) * b.photographs for b in bins) / photographs
