"""From recorded evidence to a decision, without a side effect."""

from ml.policy.evidence import Evidence, QualityChange
from ml.policy.noise import Sample, error_of_difference
from ml.policy.rules import Outcome, decide

__all__ = ["Evidence", "Outcome", "QualityChange", "Sample", "decide", "error_of_difference"]
