"""Bootstrap intervals for all metrics of a task at once.

The interval is the percentile interval (Efron & Tibshirani 1993, ch. 13; Davison & Hinkley 1997, ch. 5), its tails taken a little further
out so that few units do not make it too narrow ("expanded percentile", Hesterberg 2015).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.spec import ModelSpec
from ml.training.assessing.facts import Interval, Measured
from ml.training.assessing.resampling import Units, units_of
from ml.training.assessing.weighted import Classes, Floats, Numbers, Weighted
from ml.training.evaluation import Predicted, measure

MINIMUM_UNITS = 8
"""With fewer units there is no interval: no resampling makes six blocks tell how the seventh would be."""
DRAWS = 100_000_000
"""At most so many rows are drawn in all resamples together, and from no fewer rows than `LEAST_ROWS`: one to two seconds."""
LEAST_ROWS = 5_000
_DEFINED_SHARE = 0.95
"""Where more resamples do not define a metric (they miss a rare class), it has no interval."""
_RANGES = {"mae": (0.0, np.inf), "rmse": (0.0, np.inf), "log_loss": (0.0, np.inf), "r2": (-np.inf, 1.0)}


def of_metrics(spec: ModelSpec, frame: pd.DataFrame, predicted: Predicted, *, draws: int = DRAWS) -> Measured:
    """The task's metrics (`ml.spec.MEASURED`) on labelled rows, with intervals; the same rows and spec give the same.

    Where both `time` and `group` are declared both kinds of units are drawn, and each metric keeps the wider interval.

    Where resamples x rows exceed `draws`, a part of the units is drawn, once and by chance, and the bootstrap of it is narrowed by the
    root of its share: the spread of these metrics falls with the root of the units (Politis & Romano 1994). `drawn_rows` tells.
    """
    values = measure(
        spec.task,
        labels=frame[spec.target],
        predictions=predicted.values,
        probabilities=predicted.probabilities,
        positive=positive(spec),
        further=True,
    )
    asked = spec.evaluation
    best = {name: Interval(value=value) for name, value in values.items()}
    told = Measured(
        rows=len(frame), drawn="rows", units=0, drawn_rows=0, resamples=asked.resamples, confidence=asked.confidence, metrics=best
    )
    for number, units in enumerate(units_of(spec, frame) if values else ()):
        rng = np.random.default_rng([spec.training.seed, number])
        found, drawn_rows = _bootstrap(spec, frame, predicted, values, units, rng, draws)
        best = {name: _wider(best[name], found[name]) for name in best}
        name = units.name if told.units == 0 else f"{told.drawn}, and {units.name}"
        told = told.model_copy(update={"drawn": name, "units": units.count, "drawn_rows": drawn_rows, "metrics": best})
    return told


def positive(spec: ModelSpec) -> str | None:
    """The positive class's text, or None where there is none."""
    return None if spec.positive is None else label_text(spec.positive)


def take(predicted: Predicted, rows: npt.NDArray[Any]) -> Predicted:
    """The predictions of some rows, by mask or position."""
    return Predicted(predicted.values[rows], None if predicted.probabilities is None else predicted.probabilities.iloc[rows])


def tail(confidence: float, units: int) -> float:
    """The share of resamples beyond each end of the interval: less than (1 - confidence) / 2, and the less the fewer units there are.

    >>> round(tail(0.95, 20), 4), round(tail(0.95, 100_000), 4)
    (0.0159, 0.025)
    """
    from scipy import stats

    quantile = stats.t.ppf(1 - (1 - confidence) / 2, units - 1) * np.sqrt(units / (units - 1))
    return float(stats.norm.sf(quantile))


def _bootstrap(
    spec: ModelSpec,
    frame: pd.DataFrame,
    predicted: Predicted,
    values: Mapping[str, float],
    units: Units,
    rng: np.random.Generator,
    draws: int,
) -> tuple[dict[str, Interval], int]:
    if units.count < MINIMUM_UNITS:
        return {name: Interval(value=value) for name, value in values.items()}, len(frame)
    kept, scale = _bounded(units, max(LEAST_ROWS, draws // spec.evaluation.resamples), rng)
    if scale < 1:
        rows = np.flatnonzero(kept >= 0)
        frame, predicted = frame.iloc[rows], take(predicted, rows)
        units = Units(units.name, kept[rows], int(kept.max()) + 1)
    weighted = _weighted(spec, frame, predicted)
    centre = weighted.metrics(weighted.sums(np.ones(len(frame)))[None, :])
    drawn = weighted.metrics(_resampled(weighted, units, spec.evaluation.resamples, rng))
    share = tail(spec.evaluation.confidence, units.count)
    found = {name: _interval(name, value, drawn[name], float(centre[name][0]), scale, share) for name, value in values.items()}
    return found, len(frame)


def _bounded(units: Units, rows: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], float]:
    """The unit of each row among those that are kept (-1: none), and the root of their share."""
    if len(units.of_row) <= rows:
        return units.of_row, 1.0
    count = min(units.count, max(MINIMUM_UNITS, units.count * rows // len(units.of_row)))
    places = np.full(units.count, -1, dtype=np.int64)
    places[rng.permutation(units.count)[:count]] = np.arange(count)
    return places[units.of_row], float(np.sqrt(count / units.count))


def _weighted(spec: ModelSpec, frame: pd.DataFrame, predicted: Predicted) -> Weighted:
    labels = frame[spec.target]
    if spec.task == "regression":
        return Numbers.of(labels.to_numpy(dtype=float), np.asarray(predicted.values, dtype=float))
    texts = np.asarray(labels, dtype=str), np.asarray(predicted.values, dtype=str)
    return Classes.of(*texts, predicted.probabilities, positive(spec))


def _resampled(weighted: Weighted, units: Units, resamples: int, rng: np.random.Generator) -> Floats:
    """The sums of each resample: as many units as there are, drawn with replacement."""
    found = []
    are_rows = units.count == len(units.of_row)
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, units.count, units.count), minlength=units.count).astype(float)
        found.append(weighted.sums(times if are_rows else times[units.of_row]))
    return np.array(found)


def _interval(name: str, value: float, drawn: Floats, centre: float, scale: float, share: float) -> Interval:
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < _DEFINED_SHARE * len(drawn) or not np.isfinite(centre):
        return Interval(value=value)
    ends = value + (np.quantile(defined, [share, 1 - share]) - centre) * scale
    low, high = np.clip(ends, *_RANGES.get(name, (0.0, 1.0)))
    return Interval(value=value, low=float(low), high=float(high))


def _wider(one: Interval, other: Interval) -> Interval:
    return other if _width(other) >= _width(one) else one


def _width(interval: Interval) -> float:
    return -1.0 if interval.low is None or interval.high is None else interval.high - interval.low
