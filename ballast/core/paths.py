"""Paths of the stages' files, relative to the root of the project."""

import os
from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")

MANIFEST = Path("data/manifest.csv")
RANGE = Path("data/range.json")  # of deep greys
AUGMENTED = Path("data/augmented")  # the training images
AUGMENTED_LIST = Path("data/augmented.csv")

MODEL = Path("models/model.keras")
CLASSES = Path("models/classes.json")

OUTPUTS = Path("outputs")
DATA_REPORT = OUTPUTS / "data_report.json"
REJECTED = OUTPUTS / "rejected.csv"
CLASS_COUNTS = OUTPUTS / "class_counts.json"
CLASS_COUNTS_PLOT = OUTPUTS / "class_counts.png"
CLASS_WEIGHTS = OUTPUTS / "class_weights.json"
TRAINING = OUTPUTS / "training.json"
HISTORY = OUTPUTS / "history.csv"
LIVE = OUTPUTS / "live"
PREDICTIONS = OUTPUTS / "predictions.csv"
METRICS = OUTPUTS / "metrics.json"
CLASS_METRICS = OUTPUTS / "class_metrics.json"
CLASS_RECALL = OUTPUTS / "class_recall.csv"
RELIABILITY = OUTPUTS / "reliability.csv"
CONFUSION = OUTPUTS / "confusion.csv"
CONFUSION_PLOT = OUTPUTS / "confusion.png"
REPORT = OUTPUTS / "report.html"
MODEL_CARD = OUTPUTS / "model_card.md"
JUDGEMENTS = OUTPUTS / "cross_validation.csv"
HEADS = OUTPUTS / "heads.npz"  # of cross-validation
CROSS_VALIDATION = OUTPUTS / "cross_validation.json"
ANSWER = OUTPUTS / "answer.json"
LABEL_ISSUES = OUTPUTS / "label_issues.csv"
NEAREST = OUTPUTS / "nearest.csv"
LEARNING_CURVES = OUTPUTS / "learning_curves.json"
EVIDENCE = OUTPUTS / "evidence.json"
STRATEGIES = OUTPUTS / "strategies.json"

EXPORTS = Path("exports")

# Caches, not outputs. All are safe to delete.
INSPECTIONS = Path(".dvc/tmp/inspections.jsonl")
# An experiment in a temporary folder shares these with the project, which DVC names to its stages.
PROJECT = Path(os.environ.get("DVC_ROOT", ""))
IMAGE_STORE = PROJECT / ".dvc/tmp/image_store"
STAGE_TIMES = PROJECT / ".dvc/tmp/stage_times.json"
KERAS_DOWNLOADS = PROJECT / ".keras"
