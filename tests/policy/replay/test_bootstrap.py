"""Intervals by blocks of windows: against known answers, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from ml.policy.replay.bootstrap import block_of, interval, interval_of_total


def test_of_independent_windows_it_is_students_interval() -> None:
    values = np.random.default_rng(0).normal(1, 2, 200)
    found = interval(values, block=1)
    expected = stats.t.interval(0.95, 199, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.05)


def test_blocks_know_that_windows_follow_each_other() -> None:
    """Each value stands six times: blocks of twelve see 40 independent values, single windows 240."""
    values = np.repeat(np.random.default_rng(1).normal(size=40), 6)
    alone, together = interval(values, block=1), interval(values, block=12)
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_of_windows_that_are_all_alike_nothing_is_uncertain_and_of_one_window_everything() -> None:
    assert interval(np.zeros(30)).covers_zero
    assert (interval(np.full(30, 0.5)).low, interval(np.full(30, 0.5)).high) == (0.5, 0.5)
    assert not interval(np.full(30, 0.5)).covers_zero
    assert interval(np.array([0.5])).covers_zero


def test_a_total_is_as_many_means_as_there_are_windows() -> None:
    values = np.random.default_rng(2).normal(size=30)
    mean, total = interval(values), interval_of_total(values)
    assert (total.low, total.high) == pytest.approx((30 * mean.low, 30 * mean.high))
    assert [block_of(windows) for windows in (1, 8, 20, 24, 100)] == [1, 2, 5, 6, 6]


@pytest.mark.parametrize(("phi", "windows"), [(0.0, 30), (0.5, 40), (0.5, 80)])
def test_it_holds_the_true_mean_about_as_often_as_it_says(phi: float, windows: int) -> None:
    """400 streams each: 95 % are promised; with few windows that follow each other a little less is kept."""
    random = np.random.default_rng(4)
    held = 0
    for _ in range(400):
        values = np.zeros(windows + 50)
        for place, shock in enumerate(random.normal(size=windows + 50)):
            values[place] = phi * values[place - 1] + shock
        found = interval(values[50:])
        held += found.low <= 0 <= found.high
    assert 0.88 <= held / 400 <= 0.985
