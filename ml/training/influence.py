"""Each metric as a number and what every row adds to its error: the linearised form that the paired test needs.

A metric of n rows is, up to a term of order 1/n, its true value plus the mean of one influence value a row (Hampel 1974; for ratios and
roots this is the delta method, for the area under the curve DeLong, DeLong & Clarke-Pearson 1988). The influence of a difference is the
difference of the influences, and sums of them over blocks or entities have the variance that dependent rows really cause.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.spec import ModelSpec
from ml.training.evaluation import Predicted

Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
_SMALLEST = 1e-15
"""A probability of zero for what happened counts as this one, as in `ml.training.evaluation`."""
OF_CLASSES = frozenset({"roc_auc", "balanced_accuracy"})
"""Metrics that are means within each class: the rarest class decides how much is known."""


class Undefined(Exception):
    """The rows or the predictions do not define the metric; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Linearised:
    """A metric on n rows: its value, and one influence value a row (their mean is about 0), in the metric's unit."""

    value: float
    influence: Numbers


@dataclass(frozen=True, slots=True)
class _Classes:
    """Codes are places in `names`; `positive` is one of them, or None where the task has more than two classes."""

    names: tuple[str, ...]
    positive: int | None
    truth: Codes
    said: Codes
    probabilities: pd.DataFrame | None

    @property
    def is_positive(self) -> Mask:
        return np.asarray(self.truth == self.positive)

    @property
    def hits(self) -> Numbers:
        return np.asarray(self.truth == self.said, dtype=float)

    def chance_of(self, name: str) -> Numbers:
        """The probability of one class, a row; 0 for a class that the model does not know."""
        if self.probabilities is None:
            raise Undefined("there are no probabilities")
        if name not in self.probabilities:
            return np.zeros(len(self.truth))
        return self.probabilities[name].to_numpy(dtype=float)

    def chance_of_truth(self) -> Numbers:
        """The probability that was given to what happened."""
        if self.positive is not None:
            chance = self.chance_of(self.names[self.positive])
            return np.where(self.is_positive, chance, 1 - chance)
        if self.probabilities is None:
            raise Undefined("there are no probabilities")
        table = self.probabilities.to_numpy(dtype=float)
        places = pd.Index([str(name) for name in self.probabilities.columns]).get_indexer(pd.Index(self.names))[self.truth]
        return np.where(places < 0, 0.0, table[np.arange(len(places)), places])


def linearise(metric: str, spec: ModelSpec, labels: Any, predicted: Predicted) -> Linearised:
    """The metric of these predictions, as `evaluation.measure` has it, with the influence of every row.

    Raises:
        Undefined: No row, one class where two are needed, no probabilities where they are needed, or a NaN.
    """
    if len(labels) != len(predicted.values):
        raise ValueError(f"{len(labels)} labels, but {len(predicted.values)} predictions")
    if len(labels) == 0:
        raise Undefined("there is no row")
    if spec.task == "regression":
        truth, said = np.asarray(labels, dtype=float), np.asarray(predicted.values, dtype=float)
        if faulty := int((~np.isfinite(truth) | ~np.isfinite(said)).sum()):
            raise Undefined(f"a prediction or label is no number in {faulty} of {len(truth)} rows")
        return _OF_NUMBERS[metric](truth, said)
    return _OF_CLASSES[metric](_classes(spec, labels, predicted))


def class_codes(labels: Any) -> Codes:
    """The class of every row as a number from 0 on."""
    return pd.factorize(_texts(labels))[0]


def _texts(values: Any) -> npt.NDArray[np.object_]:
    return np.asarray(pd.Series(np.asarray(values, dtype=object)).astype(str), dtype=object)


def _classes(spec: ModelSpec, labels: Any, predicted: Predicted) -> _Classes:
    codes, names = pd.factorize(np.concatenate([_texts(labels), _texts(predicted.values)]))
    named, positive = [str(name) for name in names], None
    if spec.task == "binary":
        if label_text(spec.positive) not in named:
            named.append(label_text(spec.positive))
        positive = named.index(label_text(spec.positive))
    rows = len(labels)
    return _Classes(tuple(named), positive, codes[:rows], codes[rows:], predicted.probabilities)


def _mean(values: Numbers) -> Linearised:
    if faulty := int((~np.isfinite(values)).sum()):
        raise Undefined(f"a probability is no number in {faulty} of {len(values)} rows")
    value = float(values.mean())
    return Linearised(value, values - value)


def _of_means(values: Numbers, codes: Codes, weights: Numbers) -> Linearised:
    """Sum over classes of weight times the class's mean value; all rows of one class have one code.

    Scaled so that, row by row, the variance is the sum over classes of weight² times the unbiased variance within over its rows, as in
    DeLong's estimate. A class of one row has no variance of its own: its value counts whole, which errs on the safe side.
    """
    rows, counts = len(codes), np.bincount(codes, minlength=len(weights)).astype(float)
    means = np.bincount(codes, values, minlength=len(weights)) / np.maximum(counts, 1)
    scale = weights * rows / np.maximum(counts, 1) * np.sqrt(counts / np.maximum(counts - 1, 1)) * np.sqrt((rows - 1) / rows)
    centre = np.where(counts > 1, means, 0.0)
    return Linearised(float((weights * means).sum()), scale[codes] * (values - centre[codes]))


def _accuracy(asked: _Classes) -> Linearised:
    return _mean(asked.hits)


def _balanced_accuracy(asked: _Classes) -> Linearised:
    codes, present = pd.factorize(asked.truth)
    return _of_means(asked.hits, codes, np.full(len(present), 1 / len(present)))


def _f1(asked: _Classes) -> Linearised:
    """Of the positive class, or the mean over all classes that happened or were predicted, each a ratio: 2 true positives over both."""
    size = len(asked.names)
    happened, said = np.bincount(asked.truth, minlength=size), np.bincount(asked.said, minlength=size)
    together = (happened + said) / len(asked.truth)
    right = np.bincount(asked.truth, asked.hits, minlength=size) / len(asked.truth)
    scores = np.divide(2 * right, together, out=np.zeros(size), where=together > 0)
    each = np.divide(1.0, together, out=np.zeros(size), where=together > 0)
    weights = (together > 0) / (together > 0).sum() if asked.positive is None else np.eye(size)[asked.positive]
    slope, level = weights * each, weights * each * scores
    influence = 2 * asked.hits * slope[asked.truth] - level[asked.truth] - level[asked.said]
    return Linearised(float((weights * scores).sum()), influence)


def _log_loss(asked: _Classes) -> Linearised:
    return _mean(-np.log(np.clip(asked.chance_of_truth(), _SMALLEST, 1.0)))


def _brier(asked: _Classes) -> Linearised:
    return _mean(np.square(1 - asked.chance_of_truth()))


def _roc_auc(asked: _Classes) -> Linearised:
    """DeLong's structural components: the share of the other class that each row is ranked right against, a tie counts half.

    By ranks, as Sun & Xu (2014): n log n.
    """
    from scipy.stats import rankdata

    positive = asked.is_positive
    chance = asked.chance_of(asked.names[asked.positive or 0])
    if faulty := int((~np.isfinite(chance)).sum()):
        raise Undefined(f"a probability is no number in {faulty} of {len(chance)} rows")
    several, others = int(positive.sum()), int((~positive).sum())
    if several == 0 or others == 0:
        raise Undefined(f"all {len(chance)} rows are of one class")
    ranks, components = rankdata(chance), np.empty(len(chance))
    components[positive] = (ranks[positive] - rankdata(chance[positive])) / others
    components[~positive] = 1 - (ranks[~positive] - rankdata(chance[~positive])) / several
    found = _of_means(components, positive.astype(np.intp), np.ones(2))
    return Linearised(found.value / 2, found.influence)


def _mae(truth: Numbers, said: Numbers) -> Linearised:
    return _mean(np.abs(said - truth))


def _rmse(truth: Numbers, said: Numbers) -> Linearised:
    squares = np.square(said - truth)
    value = float(np.sqrt(squares.mean()))
    return Linearised(value, (squares - value**2) / (2 * value) if value > 0 else np.zeros(len(squares)))


def _r2(truth: Numbers, said: Numbers) -> Linearised:
    squares, spreads = np.square(said - truth), np.square(truth - truth.mean())
    spread = float(spreads.mean())
    if spread == 0:
        raise Undefined(f"all {len(truth)} labels are equal")
    share = float(squares.mean()) / spread
    return Linearised(1 - share, (share * spreads - squares) / spread)


_OF_CLASSES: dict[str, Callable[[_Classes], Linearised]] = {
    "roc_auc": _roc_auc,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "log_loss": _log_loss,
    "brier": _brier,
}
_OF_NUMBERS: dict[str, Callable[[Numbers, Numbers], Linearised]] = {"mae": _mae, "rmse": _rmse, "r2": _r2}
