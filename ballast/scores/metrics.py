"""Figures that say how good predictions are, class by class."""

from collections.abc import Callable, Sequence
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

# By class, and of interest to those who ask for them; the others are headlines.
DETAILS = ("precision", "f1", "roc_auc", "average_precision")
# Guo et al. 2017 (arXiv:1706.04599) take 15 of equal width, and so do those who compare with them.
# Of equal mass, they would lie elsewhere for every model, and two diagrams would share no axis.
CALIBRATION_BINS = 15


class ReliabilityBin(NamedTuple):
    """The photographs whose predicted class has a probability within one bin."""

    bin: int  # 1 to CALIBRATION_BINS; bin b is (b - 1, b] / CALIBRATION_BINS
    confidence: float  # mean probability of the predicted class
    accuracy: float
    photographs: int


def compute_metrics(predictions: Predictions) -> dict[str, Any]:
    """Judge predictions.

    balanced_accuracy, macro_f1 and worst_class_recall are over the classes that have test
    photographs; a class without any has None for each of its figures. roc_auc and
    average_precision are of one class against the rest; None, too, where there is no rest.

    calibration_error is the expected one of Guo et al. 2017, eq. 3: the mean distance of
    confidence and accuracy over the bins of `reliability`, each by its share of the photographs.
    With few photographs it is never near 0, since each bin's accuracy is a matter of luck.

    Args:
        predictions: one photograph or more.

    Returns:
        accuracy, balanced_accuracy, macro_f1, worst_class_recall, log_loss (in nats) and
        calibration_error, then recall, precision, f1, roc_auc and average_precision by class
        name; all but log_loss are 0 to 1.
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
        "calibration_error": calibration_error(reliability(predictions)),
        "recall": by_class(recall),
        "precision": by_class(precision),
        "f1": by_class(f1),
        "roc_auc": against_rest(roc_auc_score),
        "average_precision": against_rest(average_precision_score),
    }


def reliability(predictions: Predictions) -> list[ReliabilityBin]:
    """Compare how sure predictions are with how often they are right.

    Returns:
        The bins that hold photographs, in their order; a well calibrated model has an accuracy
        near the confidence in each.
    """
    confidence = predictions.probabilities.max(axis=1)
    right = np.array(predictions.true) == np.array(predictions.predicted)
    inner_edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    places = np.searchsorted(inner_edges, confidence)
    return [
        ReliabilityBin(
            int(place) + 1,
            float(confidence[places == place].mean()),
            float(right[places == place].mean()),
            int(np.count_nonzero(places == place)),
        )
        for place in np.unique(places)
    ]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance of confidence and accuracy, each bin by its share of the photographs."""
    photographs = sum(b.photographs for b in bins)
    return sum(abs(b.accuracy - b.confidence) * b.photographs for b in bins) / photographs
