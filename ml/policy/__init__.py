"""From recorded evidence to a decision, without a side effect."""

from ml.policy.evidence import EstimatedQuality, Evidence, LearnableRows, Losses, QualityChange, Usual, WindowLoss, loss, worse_by
from ml.policy.finding import Finding
from ml.policy.rules import Outcome, decide, version

__all__ = [
    "EstimatedQuality",
    "Evidence",
    "Finding",
    "LearnableRows",
    "Losses",
    "Outcome",
    "QualityChange",
    "Usual",
    "WindowLoss",
    "decide",
    "loss",
    "version",
    "worse_by",
]
