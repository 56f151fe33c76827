"""Which columns the model leans on."""

import time
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from ml.spec import LOWER_IS_BETTER, ModelSpec
from ml.training.assessing.facts import ColumnImportance, Importance
from ml.training.assessing.intervals import positive
from ml.training.evaluation import measure, predict

ROWS, LEAST_ROWS = 5_000, 200
REPEATS = 5
TIME = timedelta(seconds=2)
_PATIENCE = 4
"""The first repeat may take so many times the limit; a table with one repeat is better than none."""


def permutation(spec: ModelSpec, pipeline: Any, test: pd.DataFrame, *, limit: timedelta = TIME) -> Importance:
    """By how much `spec.metric` gets worse when one raw column's values are shuffled among test rows (Breiman 2001; Fisher et al. 2019).

    Takes at most `ROWS` rows, drawn with the seed, and `REPEATS` repeats: fewer rows where so many would exceed the time limit, fewer
    repeats where it is reached before. A column that others can stand in for looks less important than it is.
    """
    rows = test.sample(min(ROWS, len(test)), random_state=spec.training.seed).reset_index(drop=True)
    if rows.empty or _score(spec, pipeline, rows) is None:
        return _none(spec, rows, f"the test rows do not define {spec.metric}")
    needed = _repeat_s(spec, pipeline, rows)
    if needed > limit.total_seconds():
        rows = rows.head(max(LEAST_ROWS, int(len(rows) * limit.total_seconds() / needed)))
        needed = _repeat_s(spec, pipeline, rows)
    if needed > _PATIENCE * limit.total_seconds():
        return _none(spec, rows, f"one repeat over {len(spec.features.used)} columns would take {needed:.0f} s")
    drops: list[Any] = []
    started = time.monotonic()
    while len(drops) < REPEATS and (not drops or (time.monotonic() - started) * (1 + 1 / len(drops)) < limit.total_seconds()):
        drops.append(_drops(spec, pipeline, rows, seed=(spec.training.seed + len(drops)) % 2**32))
    return Importance(metric=spec.metric, rows=len(rows), repeats=len(drops), columns=_ranked(spec.features.used, np.array(drops)))


def _drops(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame, *, seed: int) -> Any:
    """What each column's shuffling costs, once; in the order of the columns."""
    from sklearn.inspection import permutation_importance

    def scored(model: Any, features: pd.DataFrame, target: pd.Series) -> float:
        found = _score(spec, model, features.assign(**{spec.target: target}))
        return np.nan if found is None else found

    columns = list(spec.features.used)
    found = permutation_importance(pipeline, rows[columns], rows[spec.target], scoring=scored, n_repeats=1, random_state=seed)
    return found.importances[:, 0]


def _repeat_s(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame) -> float:
    started = time.monotonic()
    _score(spec, pipeline, rows)
    return (time.monotonic() - started) * (len(spec.features.used) + 1)


def _score(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame) -> float | None:
    """The metric, higher is better; None where the rows do not define it."""
    found = predict(pipeline, rows, task=spec.task)
    values = {"predictions": found.values, "probabilities": found.probabilities, "positive": positive(spec)}
    metric = measure(spec.task, labels=rows[spec.target], **values).get(spec.metric)  # type: ignore[arg-type]
    return metric if metric is None or spec.metric not in LOWER_IS_BETTER else -metric


def _none(spec: ModelSpec, rows: pd.DataFrame, why: str) -> Importance:
    return Importance(metric=spec.metric, rows=len(rows), repeats=0, columns=(), note=f"Not measured: {why}.")


def _ranked(columns: tuple[str, ...], drops: Any) -> tuple[ColumnImportance, ...]:
    found = [
        ColumnImportance(column=name, mean=float(drops[:, place].mean()), deviation=float(drops[:, place].std()))
        for place, name in enumerate(columns)
    ]
    return tuple(sorted(found, key=lambda one: (-one.mean, one.column)))
