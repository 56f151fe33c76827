"""Metrics of rows whose labels are known as probabilities only: what is expected of them, and how far labels may stray from that.

Given the true probabilities `q` (rows x classes), labels are independent draws, so each cell of the confusion matrix is a Poisson-binomial
variable with a known mean and variance (Kivimäki, Białek, Kuberski & Nurminen, "Performance estimation in binary classification using
calibrated confidence", arXiv 2505.05295). Accuracy, log loss and Brier score are linear in the labels: their expectation is exact. The
others are ratios: that of the expectations is taken, which differs from the expected ratio by a term of order 1/rows, and the variance
is that of the linearised ratio (the delta method).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_SMALLEST = 1e-15
"""A probability of zero for what happened counts as this one, as where quality is measured."""


@dataclass(frozen=True)
class Said:
    """What a classifier said of rows.

    Attributes:
        probabilities: Rows x classes, as the model gave them: what log loss, Brier score and ROC AUC judge.
        said: The place of the predicted class, a row; -1 where it is none of them.
        positive: The place of the positive class of two; None for several classes.
    """

    probabilities: Floats
    said: Codes
    positive: int | None

    @property
    def rows(self) -> int:
        return len(self.said)

    @cached_property
    def hits(self) -> Floats:
        """Rows x classes: 1 where this class was predicted."""
        return np.asarray(self.said[:, None] == np.arange(self.probabilities.shape[1]), dtype=float)

    @cached_property
    def order(self) -> tuple[Codes, Codes]:
        """The rows by rising probability of the positive class, and where each group of equal ones starts."""
        chance = self.probabilities[:, self.positive or 0]
        places = np.argsort(chance, kind="stable")
        starts = np.flatnonzero(np.diff(chance[places], prepend=-np.inf))
        return places, starts


@dataclass(frozen=True, slots=True)
class Expectation:
    """A metric's expected value, and by how much it moves if a row's label were a class: rows x classes."""

    value: float
    slopes: Floats

    def spread(self, q: Floats) -> float:
        """The standard deviation of the metric over draws of the labels from `q`, each row's by itself."""
        variances = (q * np.square(self.slopes)).sum(axis=1) - np.square((q * self.slopes).sum(axis=1))
        return float(np.sqrt(max(variances.sum(), 0.0)))


def accuracy(said: Said, q: Floats) -> Expectation:
    """The mean probability of what was predicted."""
    return _linear(said.hits, q)


def balanced_accuracy(said: Said, q: Floats) -> Expectation:
    """The mean recall of the classes, each by the probability that it happens at all."""
    happens = q.sum(axis=0)
    recall = _ratio((q * said.hits).sum(axis=0), happens)
    weights = _happening(q)
    weights = weights / weights.sum()
    return Expectation(float(weights @ recall), (said.hits - recall) * _ratio(weights, happens))


def f1(said: Said, q: Floats) -> Expectation:
    """Of the positive class, or the mean over classes, each by the probability that it happens or was predicted."""
    counts = said.hits.sum(axis=0)
    together = counts + q.sum(axis=0)
    scores = _ratio(2 * (q * said.hits).sum(axis=0), together)
    if said.positive is None:
        weights = np.where(counts > 0, 1.0, _happening(q))
        weights = weights / weights.sum()
    else:
        weights = np.eye(q.shape[1])[said.positive]
    return Expectation(float(weights @ scores), (2 * said.hits - scores) * _ratio(weights, together))


def log_loss(said: Said, q: Floats) -> Expectation:
    """Of the model's own probabilities, natural logarithm."""
    return _linear(-np.log(np.clip(said.probabilities, _SMALLEST, 1.0)), q)


def brier(said: Said, q: Floats) -> Expectation:
    """Of the positive class's own probability."""
    return _linear(np.square(1 - said.probabilities), q)


def roc_auc(said: Said, q: Floats) -> Expectation:
    """The expected share of pairs that the model's own probabilities rank right, a tie counts half.

    The area under the curve of expected true and false positive rates, without the pairs of a row with itself.
    """
    places, starts = said.order
    ends = np.append(starts[1:], said.rows)
    yes, no = q[places, said.positive or 0], 1 - q[places, said.positive or 0]
    below, above = _beside(no, starts, ends), float(yes.sum()) - _beside(yes, starts, ends)
    same = yes * no
    pairs = float(yes.sum() * no.sum() - same.sum())
    value = float((yes @ below - same.sum() / 2) / pairs)
    slopes = np.empty_like(q)
    slopes[places, said.positive or 0] = (below - value * no.sum()) / pairs
    slopes[places, 1 - (said.positive or 0)] = (above - value * yes.sum()) / pairs
    return Expectation(value, slopes)


EXPECTED: dict[str, Callable[[Said, Floats], Expectation]] = {
    "roc_auc": roc_auc,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "log_loss": log_loss,
    "brier": brier,
}


def _linear(worth: Floats, q: Floats) -> Expectation:
    """The mean of what each row's label is worth."""
    return Expectation(float((q * worth).sum(axis=1).mean()), worth / len(q))


def _happening(q: Floats) -> Floats:
    """The probability of each class that at least one row is of it."""
    with np.errstate(divide="ignore"):
        found: Floats = -np.expm1(np.log1p(-np.clip(q, 0.0, 1.0)).sum(axis=0))
    return found


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)


def _beside(values: Floats, starts: Codes, ends: Codes) -> Floats:
    """For each row, in order: the sum over rows that lie lower, and half of the sum over its equals."""
    until = np.concatenate(([0.0], np.cumsum(values)))
    return np.repeat((until[starts] + until[ends]) / 2, ends - starts)
