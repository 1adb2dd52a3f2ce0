"""Figures that say how good predictions are, class by class."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

from ballast.predictions import Predictions


def compute_metrics(predictions: Predictions) -> dict[str, Any]:
    """Judge predictions.

    balanced_accuracy, macro_f1 and worst_class_recall are over the classes that have test
    photographs; a class without any has None for each of its figures.

    Args:
        predictions: one photograph or more.

    Returns:
        accuracy, balanced_accuracy, macro_f1, worst_class_recall and log_loss (in nats), then
        recall, precision and f1 by class name; all but log_loss are 0 to 1.
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

    indices = [classes.index(name) for name in true]
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "balanced_accuracy": float(recall[tested].mean()),
        "macro_f1": float(f1[tested].mean()),
        "worst_class_recall": float(recall[tested].min()),
        "log_loss": float(
            log_loss(indices, predictions.probabilities, labels=np.arange(len(classes)))
        ),
        "recall": by_class(recall),
        "precision": by_class(precision),
        "f1": by_class(f1),
    }
