"""The metrics of `ml.training.evaluation.measure` as functions of row weights, so that a bootstrap resample is one vector.

Each metric but the areas under curves is a function of a few weighted sums over the rows; a resample that draws a row twice gives it the
weight 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
_SMALLEST = 1e-15
"""As in `measure`: a probability of zero for what happened counts as this one."""


class Weighted(Protocol):
    """Rows whose metrics can be computed under any weights."""

    def sums(self, weights: Floats) -> Floats:
        """What the metrics need of one resample: a vector."""

    def metrics(self, sums: Floats) -> dict[str, Floats]:
        """Metric → its value for each resample; NaN where a resample does not define it. `sums` is resamples x vector."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A regression's rows."""

    columns: tuple[Floats, ...]

    @classmethod
    def of(cls, labels: Floats, predictions: Floats) -> Self:
        errors, centred = predictions - labels, labels - labels.mean()
        return cls((np.ones_like(errors), np.abs(errors), errors**2, centred, centred**2))

    def sums(self, weights: Floats) -> Floats:
        return np.array([_dot(weights, column) for column in self.columns])

    def metrics(self, sums: Floats) -> dict[str, Floats]:
        rows, absolute, squared, centred, centred_squared = sums.T
        spread = centred_squared - centred**2 / rows
        # What is left of a spread of zero after rounding is not one.
        spread = np.where(spread > 1e-12 * centred_squared, spread, np.nan)
        return {"mae": absolute / rows, "rmse": np.sqrt(squared / rows), "r2": 1 - squared / spread}


@dataclass(frozen=True, slots=True)
class Ranks:
    """Positive and negative rows in the order of their probability.

    `below` and `up_to` count the negatives under each positive, `before` the positives.
    """

    positives: npt.NDArray[np.int64]
    negatives: npt.NDArray[np.int64]
    below: npt.NDArray[np.int64]
    up_to: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]

    @classmethod
    def of(cls, truth: npt.NDArray[np.bool_], probability: Floats) -> Self:
        order = np.argsort(probability, kind="stable")
        positives, negatives = order[truth[order]], order[~truth[order]]
        sorted_negatives, sorted_positives = probability[negatives], probability[positives]
        below = np.searchsorted(sorted_negatives, sorted_positives, side="left")
        up_to = np.searchsorted(sorted_negatives, sorted_positives, side="right")
        before = np.searchsorted(sorted_positives, sorted_positives, side="left")
        return cls(positives, negatives, below, up_to, before)

    def areas(self, weights: Floats) -> tuple[float, float]:
        """ROC AUC and average precision.

        The first is the weighted share of pairs in the right order, ties counting half (Mann & Whitney 1947); NaN with one class only.
        The second is the mean over positives of the precision among the rows that are ranked no lower; NaN without positives.
        """
        of_positives = weights[self.positives]
        under = np.concatenate([[0.0], np.cumsum(weights[self.negatives])])
        earlier = np.concatenate([[0.0], np.cumsum(of_positives)])
        positives, negatives = earlier[-1], under[-1]
        if positives <= 0:
            return np.nan, np.nan
        low = under[self.below]
        right = positives - earlier[self.before]
        # A positive that was not drawn may have nothing ranked above it: it counts for nothing.
        precision = right / np.maximum(right + negatives - low, 1e-300)
        area = _dot(of_positives, low + under[self.up_to]) / 2 / (positives * negatives) if negatives > 0 else np.nan
        return area, _dot(of_positives, precision) / positives


@dataclass(frozen=True, slots=True)
class Classes:
    """A classification's rows: each falls into a cell of the confusion matrix, and has losses where there are probabilities."""

    cell: npt.NDArray[np.int64]
    truth_of_cell: Floats
    predicted_of_cell: Floats
    hit_of_cell: npt.NDArray[np.bool_]
    positive: int | None
    losses: dict[str, Floats]
    ranks: Ranks | None

    @classmethod
    def of(cls, labels: npt.NDArray[Any], predictions: npt.NDArray[Any], probabilities: pd.DataFrame | None, positive: str | None) -> Self:
        """Rows of a binary model if `positive` is given. `labels` and `predictions` are text."""
        both, classes = pd.factorize(np.concatenate([labels, predictions]))
        truth, predicted = both[: len(labels)], both[len(labels) :]
        pairs, cell = np.unique(truth * len(classes) + predicted, return_inverse=True)
        known = np.eye(len(classes))
        losses, ranks = _losses(labels, probabilities, positive)
        return cls(
            cell=cell.astype(np.int64),
            truth_of_cell=known[pairs // len(classes)],
            predicted_of_cell=known[pairs % len(classes)],
            hit_of_cell=pairs // len(classes) == pairs % len(classes),
            positive=None if positive is None else _place(list(classes), positive),
            losses=losses,
            ranks=ranks,
        )

    def sums(self, weights: Floats) -> Floats:
        cells = np.bincount(self.cell, weights, minlength=len(self.hit_of_cell))
        ranked = [] if self.ranks is None else self.ranks.areas(weights)
        return np.concatenate([cells, [_dot(weights, loss) for loss in self.losses.values()], ranked])

    def metrics(self, sums: Floats) -> dict[str, Floats]:
        cells = sums[:, : len(self.hit_of_cell)]
        rows = cells.sum(axis=1)
        truth, predicted = cells @ self.truth_of_cell, cells @ self.predicted_of_cell
        hits = (cells * self.hit_of_cell) @ self.truth_of_cell
        found = {
            "accuracy": hits.sum(axis=1) / rows,
            "balanced_accuracy": _mean_of_known(hits, truth),
            "f1": _mean_of_known(2 * hits, truth + predicted),
            "precision": _mean_of_known(hits, predicted, among=truth + predicted),
            "recall": _mean_of_known(hits, truth, among=truth + predicted),
        }
        if self.positive is not None:
            right = hits[:, self.positive] if self.positive >= 0 else np.zeros(len(rows))
            for name, whole in (("precision", predicted), ("recall", truth)):
                of = whole[:, self.positive] if self.positive >= 0 else np.zeros(len(rows))
                found[name] = np.divide(right, of, out=np.full(len(rows), np.nan), where=of > 0)
            # A resample in which nothing is positive, truly or by prediction, has an f1 of 0, as `measure` has it.
            together = (truth + predicted)[:, self.positive] if self.positive >= 0 else np.zeros(len(rows))
            found["f1"] = 2 * right / np.maximum(together, 1e-300)
        for place, name in enumerate(self.losses, start=len(self.hit_of_cell)):
            found[name] = sums[:, place] / rows
        return found | ({} if self.ranks is None else {"roc_auc": sums[:, -2], "average_precision": sums[:, -1]})


def _dot(one: Floats, other: Floats) -> float:
    """The product of two vectors without BLAS, whose threads cost more than they save here."""
    return float(np.einsum("i,i->", one, other))


def _place(classes: Sequence[str], positive: str) -> int:
    """Where the positive class stands; -1 where no row has it."""
    return classes.index(positive) if positive in classes else -1


def _mean_of_known(part: Floats, whole: Floats, *, among: Floats | None = None) -> Floats:
    """The mean over classes of part / whole, of those that a resample has (or has `among`: 0 where whole is); resamples x classes."""
    shares = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    found: Floats = shares.sum(axis=1) / ((whole if among is None else among) > 0).sum(axis=1)
    return found


def _losses(labels: npt.NDArray[Any], probabilities: pd.DataFrame | None, positive: str | None) -> tuple[dict[str, Floats], Ranks | None]:
    if probabilities is None:
        return {}, None
    if positive is None:
        places = pd.Index([str(name) for name in probabilities.columns]).get_indexer(pd.Index(labels))
        values = probabilities.to_numpy(dtype=float)[np.arange(len(labels)), places]
        return {"log_loss": _log_loss(np.where(places < 0, 0.0, values))}, None
    truth = labels == positive
    probability = probabilities[positive].to_numpy(dtype=float) if positive in probabilities else np.zeros(len(labels))
    losses = {"log_loss": _log_loss(np.where(truth, probability, 1 - probability)), "brier": np.square(probability - truth)}
    return losses, Ranks.of(truth, probability) if np.isfinite(probability).all() else None


def _log_loss(of_truth: Floats) -> Floats:
    return -np.log(np.clip(of_truth, _SMALLEST, 1.0))
