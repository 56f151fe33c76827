"""How far a metric moves by chance alone where a replay keeps no rows: standard errors by formulas for independent rows."""

import math
from dataclasses import dataclass

KNOWN = frozenset({"accuracy", "roc_auc"})
"""Metrics with a formula."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A metric on rows that it was measured on; `positives` of the `rows` are of the positive class (binary)."""

    value: float
    rows: int
    positives: int


def standard_error(metric: str, sample: Sample) -> float | None:
    """The metric's standard error on such a sample; None where no formula is known (all but roc_auc and accuracy).

    roc_auc: Hanley & McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology 143
    (1982), 29-36. accuracy: that of a binomial share.
    """
    value = sample.value
    if metric == "accuracy" and sample.rows > 0:
        return math.sqrt(max(value * (1 - value), 0.0) / sample.rows)
    positives, negatives = sample.positives, sample.rows - sample.positives
    if metric != "roc_auc" or positives < 1 or negatives < 1:
        return None
    above, below = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (above - value**2) + (negatives - 1) * (below - value**2)
    return math.sqrt(max(spread, 0.0) / (positives * negatives))
