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
BATCH_ROWS = 10_000
TIME = timedelta(seconds=1)
_WARM_UP = 3


def latency(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame, *, limit: timedelta = TIME) -> Latency | None:
    """The median time of predicting one row alone, and the time for each row of a batch; None without rows.

    Each repeat takes another row; it stops at `REPEATS`, or when the limit is reached, but not before `LEAST_REPEATS`. The batch is
    predicted twice and the faster time counts, since a busy machine only ever adds to it.
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
        single_ms=float(np.median(times)) * 1e3,
        single_p95_ms=float(np.quantile(times, 0.95)) * 1e3,
        single_repeats=len(times),
        batch_us_per_row=fastest / len(batch) * 1e6,
        batch_rows=len(batch),
    )


def _seconds(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame) -> float:
    started = time.perf_counter()
    predict(pipeline, rows, task=spec.task)
    return time.perf_counter() - started
