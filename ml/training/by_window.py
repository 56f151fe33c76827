"""One metric of many windows at once: the same values as `ml.training.evaluation.measure`, without a call for each window."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.spec import ModelSpec
from ml.training.evaluation import Predicted

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
_SMALLEST = 1e-15
_NEED_PROBABILITIES = frozenset({"roc_auc", "log_loss", "brier"})


@dataclass(frozen=True, slots=True)
class Said:
    """What happened and what a model said, made ready for many metrics: codes of classes, or numbers."""

    truth: npt.NDArray[Any]
    values: npt.NDArray[Any]
    classes: int
    positive: int
    of_positive: Floats | None
    of_truth: Floats | None

    @classmethod
    def of(cls, spec: ModelSpec, labels: Any, said: Predicted) -> "Said":
        """The labels are text, or numbers of a regression; none missing."""
        if spec.task == "regression":
            return cls(np.asarray(labels, dtype=float), np.asarray(said.values, dtype=float), 0, -1, None, None)
        texts = np.concatenate([np.asarray(labels, dtype=object).astype(str), np.asarray(said.values, dtype=object).astype(str)])
        codes, names = pd.factorize(texts, sort=True)
        truth, values = codes[: len(labels)], codes[len(labels) :]
        positive = -1 if spec.positive is None else int(pd.Index(names).get_indexer(pd.Index([label_text(spec.positive)]))[0])
        if said.probabilities is None:
            return cls(truth, values, len(names), positive, None, None)
        table = said.probabilities
        known = pd.Index([str(name) for name in table.columns])
        places = known.get_indexer(pd.Index(names))[truth]
        given = table.to_numpy(dtype=float)
        of_truth = np.where(places < 0, 0.0, given[np.arange(len(places)), places])
        place = -1 if spec.positive is None else int(known.get_indexer(pd.Index([label_text(spec.positive)]))[0])
        of_positive = None if spec.positive is None else given[:, place] if place >= 0 else np.zeros(len(truth))
        return cls(truth, values, len(names), positive, of_positive, of_truth)


def values(metric: str, said: Said, *, windows: Codes, count: int) -> Floats:
    """The metric in each of `count` windows; NaN where its rows do not define it.

    Args:
        metric: One of `ml.spec.METRICS` of the task.
        said: Rows.
        windows: The window of each row, from 0; rows of -1 are left out.
        count: How many windows there are.
    """
    if metric in _NEED_PROBABILITIES and said.of_truth is None:
        return np.full(count, np.nan)
    kept = windows >= 0
    rows = _Rows(np.flatnonzero(kept), windows[kept], count)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(_BY_NAME[metric](said, rows), dtype=float)
    found[~np.isfinite(found)] = np.nan
    return found


@dataclass(frozen=True, slots=True)
class _Rows:
    places: Codes
    windows: Codes
    count: int

    def total(self, weights: Any = None) -> Floats:
        return np.bincount(self.windows, weights=weights, minlength=self.count).astype(float)

    def mean(self, weights: Any) -> Floats:
        found: Floats = self.total(weights) / self.total()
        return found


def _accuracy(said: Said, rows: _Rows) -> Floats:
    return rows.mean(said.truth[rows.places] == said.values[rows.places])


def _by_class(said: Said, rows: _Rows, codes: Any, weights: Any = None) -> Floats:
    """Windows x classes."""
    cells = np.bincount(rows.windows * said.classes + codes, weights=weights, minlength=rows.count * said.classes)
    return cells.reshape(rows.count, said.classes).astype(float)


def _balanced_accuracy(said: Said, rows: _Rows) -> Floats:
    truth, value = said.truth[rows.places], said.values[rows.places]
    shares = _by_class(said, rows, truth, truth == value) / _by_class(said, rows, truth)
    return _mean_of_known(shares)


def _f1(said: Said, rows: _Rows) -> Floats:
    truth, value = said.truth[rows.places], said.values[rows.places]
    hits = _by_class(said, rows, truth, truth == value)
    together = _by_class(said, rows, truth) + _by_class(said, rows, value)
    if said.positive >= 0:
        one, both = hits[:, said.positive], together[:, said.positive]
        found: Floats = np.where(both > 0, 2 * one / both, np.where(rows.total() > 0, 0.0, np.nan))
        return found
    if said.of_positive is not None:  # a binary model whose positive class stands nowhere
        return np.where(rows.total() > 0, 0.0, np.nan)
    return _mean_of_known(2 * hits / together)


def _mean_of_known(table: Floats) -> Floats:
    known = np.isfinite(table)
    found: Floats = np.where(known, table, 0.0).sum(axis=1) / known.sum(axis=1)
    return found


def _roc_auc(said: Said, rows: _Rows) -> Floats:
    """From mean ranks: Hanley & McNeil, Radiology 143 (1982), 29-36."""
    assert said.of_positive is not None, "only a binary model has it"
    scores, positive = said.of_positive[rows.places], said.truth[rows.places] == said.positive
    order = np.lexsort((scores, rows.windows))
    windows, sorted_scores = rows.windows[order], scores[order]
    begins = np.concatenate([[True], (windows[1:] != windows[:-1]) | (sorted_scores[1:] != sorted_scores[:-1])])[: len(order)]
    ties = np.cumsum(begins) - 1
    sizes = np.bincount(ties)
    ends = np.cumsum(sizes)
    mean_rank = (ends - (sizes - 1) / 2)[ties] - np.concatenate([[0.0], np.cumsum(rows.total())])[windows]
    mine = positive[order]
    ranks = np.bincount(windows[mine], weights=mean_rank[mine], minlength=rows.count)
    positives = rows.total(positive)
    negatives = rows.total() - positives
    found = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    found[rows.total(~np.isfinite(scores)) > 0] = np.nan
    return np.asarray(found)


def _log_loss(said: Said, rows: _Rows) -> Floats:
    assert said.of_truth is not None
    chance = said.of_truth
    if said.of_positive is not None:
        chance = np.where(said.truth == said.positive, said.of_positive, 1 - said.of_positive)
    return rows.mean(-np.log(np.clip(chance[rows.places], _SMALLEST, 1.0))) + 0.0


def _brier(said: Said, rows: _Rows) -> Floats:
    assert said.of_positive is not None, "only a binary model has it"
    return rows.mean(np.square(said.of_positive - (said.truth == said.positive))[rows.places])


def _mae(said: Said, rows: _Rows) -> Floats:
    return rows.mean(np.abs(said.values - said.truth)[rows.places])


def _rmse(said: Said, rows: _Rows) -> Floats:
    return np.sqrt(rows.mean(np.square(said.values - said.truth)[rows.places]))


def _r2(said: Said, rows: _Rows) -> Floats:
    truth = said.truth[rows.places]
    spread = rows.total(np.square(truth - rows.mean(truth)[rows.windows]))
    errors = rows.total(np.square(said.values - said.truth)[rows.places])
    return np.where(spread > 0, 1 - errors / spread, np.nan)


_BY_NAME = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "brier": _brier,
    "mae": _mae,
    "rmse": _rmse,
    "r2": _r2,
}
