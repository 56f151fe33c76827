"""From recorded evidence to a decision, without a side effect."""

from ml.policy.evidence import EstimatedQuality, Evidence, LearnableRows, Losses, QualityChange, Usual, WindowLoss, loss
from ml.policy.finding import Finding
from ml.policy.noise import Sample, error_of_difference
from ml.policy.rules import Outcome, decide, version

__all__ = [
    "EstimatedQuality",
    "Evidence",
    "Finding",
    "LearnableRows",
    "Losses",
    "Outcome",
    "QualityChange",
    "Sample",
    "Usual",
    "WindowLoss",
    "decide",
    "error_of_difference",
    "loss",
    "version",
]
