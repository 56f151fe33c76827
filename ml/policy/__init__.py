"""From recorded evidence to a decision, without a side effect."""

from ml.policy.evidence import Evidence, QualityChange
from ml.policy.rules import Outcome, decide

__all__ = ["Evidence", "Outcome", "QualityChange", "decide"]
