"""Latency is that of one row alone, and stops when its time is over."""

import time
from datetime import timedelta

import numpy as np
import pandas as pd

from ml.training.assessing.budgets import LEAST_REPEATS, REPEATS, latency
from tests.training.assessing.frames import fitted, parts, shop

SPEC = shop(task="regression", target="paid", positive=None)


class Slow:
    """Takes 4 ms for a call and 20 microseconds for a row."""

    def predict(self, rows: pd.DataFrame) -> object:
        time.sleep(0.004 + 2e-5 * len(rows))
        return np.zeros(len(rows))


def test_one_row_alone_and_each_of_a_batch_are_timed() -> None:
    found = latency(SPEC, Slow(), parts()[1], limit=timedelta(minutes=5))
    assert found is not None
    assert 4.0 < found.single_ms < 40
    assert found.single_ms <= found.single_p95_ms
    assert 26 < found.batch_us_per_row < 500  # (4 ms + 600 x 20 us) / 600, and what a busy machine adds
    assert (found.single_repeats, found.batch_rows) == (REPEATS, 600)


class Disturbed(Slow):
    """Shares the machine: all answers but some in the middle take ten times as long."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, rows: pd.DataFrame) -> object:
        self.calls += 1
        if self.calls < 20 or self.calls > 35:
            time.sleep(0.04)
        return super().predict(rows)


def test_what_a_busy_machine_adds_is_not_the_model_s() -> None:
    found = latency(SPEC, Disturbed(), parts()[1], limit=timedelta(minutes=5))
    assert found is not None
    assert found.single_ms < 40, "most answers took 44 ms"
    assert found.single_p95_ms > 40


def test_it_stops_in_time_but_not_before_a_few_repeats() -> None:
    found = latency(SPEC, Slow(), parts()[1], limit=timedelta(0))
    assert found is not None
    assert found.single_repeats == LEAST_REPEATS


def test_a_real_pipeline_is_timed_as_it_is_served() -> None:
    spec = shop()
    development, test = parts()
    found = latency(spec, fitted(spec, development), test.head(1), limit=timedelta(seconds=0.1))
    assert found is not None
    assert found.batch_rows == 1


def test_no_rows_take_no_time() -> None:
    assert latency(SPEC, Slow(), parts()[1].iloc[:0]) is None
