"""Direct loss estimation of a regression's quality on rows without labels (DLE).

A second model learns the champion's loss on its test rows from features and prediction; its mean over a window is the expected loss
(documentation of NannyML, "Direct Loss Estimation"). Here it is gradient boosting of trees with the Poisson deviance: a loss is never
negative, and this deviance keeps the mean.

As all estimates without labels it holds under covariate shift and not under concept drift; beyond the features' range of the test rows
trees go on as at its edge. Where errors have heavy tails the interval of RMSE is too narrow: at a nominal .95 it held what was measured in
.77 of windows of 1,000 rows. The audit finds that out, window by window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.monitoring.estimated.values import CONFIDENCE, Estimate, Estimated, interval, without_value
from ml.spec.rules import METRICS

Floats = npt.NDArray[np.float64]

FEWEST_ROWS, FEWEST_REFERENCE_ROWS = 30, 200
MOST_REFERENCE_ROWS = 20_000
"""Of more test rows so many are drawn: a model of the loss needs no more, and eleven are fitted twice."""
_PARTS = 10
_CATEGORIES = 100
_NO_R2 = "it needs the spread of labels that nobody has seen yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What a regression predicted for rows: `features` has the columns that are named as numeric and as categorical, in any order."""

    features: pd.DataFrame
    predicted: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which features the loss is learnt from; texts and times are not."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()


def estimate(
    reference: Predictions | None, labels: Floats, window: Predictions, *, columns: Columns, confidence: float = CONFIDENCE
) -> Estimated:
    """The metrics that the champion probably has on a window.

    Nothing is raised over the rows: where they do not allow an estimate, each metric says why it has none.

    Args:
        reference: What the champion predicted for its test rows, in time order where they have one; None where it is not kept.
        labels: What happened, a number for each test row.
        window: What it predicted for the window's rows.
        columns: The features to learn from.
        confidence: How often the measured metric should fall into the interval, 0-1.
    """
    rows, known = len(window.predicted), 0 if reference is None else len(labels)
    found = {"r2": without_value("r2", _NO_R2)}
    why = _obstacle(reference, labels, window)
    if reference is None or why:
        found = {metric: without_value(metric, why) for metric in METRICS["regression"]}
    else:
        errors = np.asarray(labels, dtype=float) - np.asarray(reference.predicted, dtype=float)
        kept = _drawn(len(errors))
        seen, unseen = _matrices(reference, window, columns, kept)
        absolute = _expected(seen, np.abs(errors[kept]), unseen, categorical=len(columns.categorical))
        squared = _expected(seen, np.square(errors[kept]), unseen, categorical=len(columns.categorical))
        found |= {"mae": _mae(absolute, confidence), "rmse": _rmse(squared, confidence)}
    metrics = tuple(found[metric] for metric in METRICS["regression"])
    return Estimated(method="dle", rows=rows, reference_rows=known, confidence=confidence, metrics=metrics)


@dataclass(frozen=True, slots=True)
class _Loss:
    """A window's expected mean loss; errors are standard deviations of the mean of its rows, and of the model's mean."""

    mean: float
    sampling_error: float
    model_error: float


def _mae(loss: _Loss, confidence: float) -> Estimate:
    return _estimate("mae", loss, loss, confidence)


def _rmse(loss: _Loss, confidence: float) -> Estimate:
    """The root of the mean squared loss: errors by the delta method, ends of the interval as roots."""
    root = math.sqrt(loss.mean)
    per = 1 / (2 * root) if root > 0 else 0.0
    return _estimate("rmse", loss, _Loss(root, loss.sampling_error * per, loss.model_error * per), confidence)


def _estimate(metric: str, loss: _Loss, shown: _Loss, confidence: float) -> Estimate:
    low, high = interval(metric, loss.mean, error=math.hypot(loss.sampling_error, loss.model_error), confidence=confidence)
    if metric == "rmse":
        low, high = math.sqrt(low), math.sqrt(high)
    return Estimate(metric=metric, value=shown.mean, sampling_error=shown.sampling_error, model_error=shown.model_error, low=low, high=high)


def _expected(seen: Floats, losses: Floats, unseen: Floats, *, categorical: int) -> _Loss:
    """The window's mean loss, from ten models that lack a tenth of the reference each, and one that has all of it.

    Held-out losses say how far a row's loss lies from what is expected of it, in shares of that; the ten models say by the jackknife over
    groups of consecutive rows (Quenouille 1956; Shao & Wu 1989) how much the model itself moves. The losses are measured in units of
    their mean, so that no scale matters.
    """
    scale = float(losses.mean())
    if scale == 0:
        return _Loss(0.0, 0.0, 0.0)
    scaled = losses / scale
    part = np.arange(len(scaled)) * _PARTS // len(scaled)
    held_out, means = np.empty(len(scaled)), np.empty(_PARTS)
    for number in range(_PARTS):
        out = part == number
        model = _fitted(seen[~out], scaled[~out], categorical)
        held_out[out], means[number] = model.predict(seen[out]), model.predict(unseen).mean()
    each = _fitted(seen, scaled, categorical).predict(unseen)
    relative = float(np.square(scaled - held_out).sum() / np.square(held_out).sum())
    sampling = math.sqrt(relative * float(np.square(each).sum())) / len(each)
    spread = math.sqrt((_PARTS - 1) / _PARTS * float(np.square(means - means.mean()).sum()))
    return _Loss(float(each.mean()) * scale, sampling * scale, spread * scale)


def _fitted(rows: Floats, losses: Floats, categorical: int) -> Any:
    """Shallow trees of many rows: the mean over a window is asked for, not the loss of a single row."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    if losses.sum() == 0:
        from sklearn.dummy import DummyRegressor

        return DummyRegressor().fit(rows, losses)
    where = list(range(rows.shape[1] - categorical, rows.shape[1])) or None
    model = HistGradientBoostingRegressor(
        loss="poisson",
        max_iter=50,
        max_leaf_nodes=8,
        min_samples_leaf=max(20, len(rows) // 100),
        categorical_features=where,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(rows, losses)


def _drawn(rows: int) -> npt.NDArray[np.intp]:
    """The places of at most so many rows, in their order; the same number of rows gives the same places."""
    if rows <= MOST_REFERENCE_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_REFERENCE_ROWS, replace=False))


def _matrices(reference: Predictions, window: Predictions, columns: Columns, kept: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Rows x (prediction, numbers, codes of categories) of both; infinities, missing and unseen categories are NaN."""
    from sklearn.preprocessing import OrdinalEncoder

    sides = [(reference.features.iloc[kept], reference.predicted[kept]), (window.features, window.predicted)]
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=_CATEGORIES
    )
    texts = [_texts(features, columns.categorical) for features, _ in sides]
    codes = (
        [encoder.fit_transform(texts[0]), encoder.transform(texts[1])] if columns.categorical else [np.empty((len(t), 0)) for t in texts]
    )
    made = []
    for (features, predicted), coded in zip(sides, codes, strict=True):
        numbers = [pd.to_numeric(features[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan) for name in columns.numeric]
        matrix = np.column_stack([np.asarray(predicted, dtype=float), *numbers, coded])
        made.append(np.where(np.isfinite(matrix), matrix, np.nan))
    return made[0], made[1]


def _texts(features: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[Any]:
    found = features[list(names)].astype(object)
    return found.where(found.isna(), found.astype(str)).mask(found.isna(), np.nan).to_numpy(dtype=object)


def _obstacle(reference: Predictions | None, labels: Floats, window: Predictions) -> str:
    """Why nothing can be estimated; empty where it can."""
    if reference is None:
        return "what the champion said of its test rows is not kept"
    if len(window.predicted) < FEWEST_ROWS:
        return f"the window has {len(window.predicted)} rows, and {FEWEST_ROWS} are needed"
    if len(labels) < FEWEST_REFERENCE_ROWS:
        return f"the champion was tested on {len(labels)} rows, and {FEWEST_REFERENCE_ROWS} are needed"
    for what, values in (("label of the test rows", labels), ("test prediction", reference.predicted), ("prediction", window.predicted)):
        if faulty := int((~np.isfinite(np.asarray(values, dtype=float))).sum()):
            return f"a {what} is no number in {faulty} of {len(values)} rows"
    return ""
