"""COCO JSON as people write it: labels and predictions, brought to one form."""

from .labels import CocoLabels, ListedImage, read_labels
from .predictions import MatchedPredictions, read_predictions
from .scoring import doubts, truth_of

__all__ = [
    "CocoLabels",
    "ListedImage",
    "MatchedPredictions",
    "doubts",
    "read_labels",
    "read_predictions",
    "truth_of",
]
