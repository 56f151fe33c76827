"""What a change of champion has brought: both champions on the same rows, after the labels became known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from ml.data.casting import label_text
from ml.spec import ModelSpec
from ml.training.evaluation import Predicted, Task, gain, measure

_BLOCKS = 20
_LEAST_ROWS = 40
_CONFIDENCE = 0.95


class Compared(BaseModel):
    """One number of both; `gain` is positive where the champion is better, within [`low`, `high`] (95 %) where rows are enough."""

    model_config = ConfigDict(frozen=True)

    champion: float
    former: float
    gain: float
    low: float | None = None
    high: float | None = None


class Gain(BaseModel):
    """The realised gain of a change of champion so far.

    `loss` is the mean loss of `rows` rows (see `row_losses`); `value` is the declared metric on the newest `metric_rows` of them, None
    where it is not defined there.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    loss: Compared
    metric: str
    metric_rows: int
    value: Compared | None


def row_losses(task: Task, labels: Any, new: Predicted, old: Predicted) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The loss of both on each row.

    Regression: the absolute error, in the target's unit. Classes: half the Brier score over all classes, in [0, 1], where both give
    probabilities; else 0 for a hit and 1 for a miss.
    """
    if task == "regression":
        truth = np.asarray(labels, dtype=float)
        return np.abs(new.values - truth), np.abs(old.values - truth)
    texts = np.asarray(labels, dtype=str)
    if new.probabilities is None or old.probabilities is None:
        return (new.values.astype(str) != texts).astype(float), (old.values.astype(str) != texts).astype(float)
    return _brier(texts, new.probabilities), _brier(texts, old.probabilities)


def _brier(texts: npt.NDArray[Any], probabilities: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Half the sum of squares over the classes; what happened and is no class of the model counts as one with probability 0."""
    given = probabilities.to_numpy(dtype=float)
    places = pd.Index([str(name) for name in probabilities.columns]).get_indexer(pd.Index(texts))
    truth = np.where(places < 0, 0.0, given[np.arange(len(texts)), places])
    found: npt.NDArray[np.float64] = 0.5 * (np.square(given).sum(axis=1) - 2 * truth + 1)
    return found


def realised(spec: ModelSpec, *, labels: Any, new: Predicted, old: Predicted, rows: int, loss: float, former_loss: float) -> Gain:
    """The gain so far. Intervals are a jackknife over blocks of consecutive rows (Künsch 1989), so that neighbours may be alike.

    Args:
        spec: The champion's declaration.
        labels: What happened, row by row, in the order in which it became known: the newest rows, or all.
        new: What the champion said of them.
        old: What the former champion said.
        rows: How many rows there are in all.
        loss: The champion's mean loss over all of them.
        former_loss: The former champion's.
    """
    mine, theirs = row_losses(spec.task, labels, new, old)
    difference = theirs - mine
    low, high = _interval(len(mine), former_loss - loss, lambda keep: float(difference[keep].mean()))
    texts = np.asarray(labels)
    compared = _metric(spec, texts, new, old)
    return Gain(
        rows=rows,
        loss=Compared(champion=loss, former=former_loss, gain=former_loss - loss, low=low, high=high),
        metric=spec.metric,
        metric_rows=len(texts),
        value=compared,
    )


def _metric(spec: ModelSpec, labels: npt.NDArray[Any], new: Predicted, old: Predicted) -> Compared | None:
    def both(keep: npt.NDArray[np.int64]) -> tuple[float | None, float | None]:
        return _value(spec, labels, new, keep), _value(spec, labels, old, keep)

    def gained(keep: npt.NDArray[np.int64]) -> float:
        mine, theirs = both(keep)
        return np.nan if mine is None or theirs is None else gain(spec.metric, challenger=mine, champion=theirs)

    mine, theirs = both(np.arange(len(labels)))
    if mine is None or theirs is None:
        return None
    found = gain(spec.metric, challenger=mine, champion=theirs)
    low, high = _interval(len(labels), found, gained)
    return Compared(champion=mine, former=theirs, gain=found, low=low, high=high)


def _value(spec: ModelSpec, labels: npt.NDArray[Any], said: Predicted, keep: npt.NDArray[np.int64]) -> float | None:
    return measure(
        spec.task,
        labels=labels[keep],
        predictions=said.values[keep],
        probabilities=None if said.probabilities is None else said.probabilities.iloc[keep],
        positive=None if spec.positive is None else label_text(spec.positive),
    ).get(spec.metric)


def _interval(rows: int, found: float, statistic: Callable[[npt.NDArray[np.int64]], float]) -> tuple[float | None, float | None]:
    """A 95 % interval around `found`, from the spread of the statistic when one block after the other is left out."""
    from scipy.stats import t

    if rows < _LEAST_ROWS:
        return None, None
    blocks = np.array_split(np.arange(rows), _BLOCKS)
    without = np.array([statistic(np.concatenate([*blocks[:place], *blocks[place + 1 :]])) for place in range(_BLOCKS)])
    if not np.isfinite(without).all():
        return None, None
    error = float(np.sqrt((_BLOCKS - 1) / _BLOCKS * np.square(without - without.mean()).sum()))
    half = float(t.ppf(0.5 + _CONFIDENCE / 2, _BLOCKS - 1)) * error
    return found - half, found + half
