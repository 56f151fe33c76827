"""How long a prediction takes."""

import time
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from ml.spec import ModelSpec
from ml.training.assessing.facts import Latency
from ml.training.evaluation import predict

REPEATS, LEAST_REPEATS = 50, 5
ROUND = 5
"""So many repeats after one another are a round; the calmest round counts."""
BATCH_ROWS = 10_000
TIME = timedelta(seconds=1)
_WARM_UP = 3


def latency(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame, *, limit: timedelta = TIME) -> Latency | None:
    """The time of predicting one row alone, and the time for each row of a batch; None without rows.

    A busy machine only ever adds to a time, and a budget must not be missed by that: of single rows the least median of all rounds of
    `ROUND` repeats counts, of two batches the faster one. Each repeat takes another row; it stops at `REPEATS`, or when the limit is
    reached, but not before `LEAST_REPEATS`.
    """
    if rows.empty:
        return None
    features = rows[list(spec.features.used)]
    alone = [features.iloc[[number]] for number in np.linspace(0, len(features) - 1, REPEATS + _WARM_UP).astype(int)]
    for row in alone[:_WARM_UP]:
        predict(pipeline, row, task=spec.task)
    times: list[float] = []
    ends = time.perf_counter() + limit.total_seconds()
    for row in alone[_WARM_UP:]:
        if len(times) >= LEAST_REPEATS and time.perf_counter() > ends:
            break
        times.append(_seconds(spec, pipeline, row))
    batch = features.head(BATCH_ROWS)
    fastest = min(_seconds(spec, pipeline, batch) for _ in range(2))
    return Latency(
        single_ms=min(float(np.median(times[start : start + ROUND])) for start in range(0, len(times) - ROUND + 1, ROUND)) * 1e3,
        single_p95_ms=float(np.quantile(times, 0.95)) * 1e3,
        single_repeats=len(times),
        batch_us_per_row=fastest / len(batch) * 1e6,
        batch_rows=len(batch),
    )


def _seconds(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame) -> float:
    started = time.perf_counter()
    predict(pipeline, rows, task=spec.task)
    return time.perf_counter() - started
