"""Detection metrics from COCO-format truth and predictions; no images, model or data set object needed."""

from __future__ import annotations

from .cell import CellMatches
from .evaluation import METRIC_VERSION, Curves, Evaluation, evaluate
from .matches import MatchTable, net_true_positives
from .precision import average_precision, mean_over_classes, named_precisions
from .truth import coco_truth

__all__ = [
    "METRIC_VERSION",
    "CellMatches",
    "Curves",
    "Evaluation",
    "MatchTable",
    "average_precision",
    "coco_truth",
    "evaluate",
    "mean_over_classes",
    "named_precisions",
    "net_true_positives",
]
