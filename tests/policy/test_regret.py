"""Regret against known answers: Lindley's form, pandas' weighted mean, ski-rental's bound, and noise without drift."""

import math

import numpy as np
import pandas as pd
import pytest

from ml.policy.regret import accumulated, of_late


@pytest.mark.parametrize("slack", [0.0, 0.3])
def test_accumulated_regret_is_the_largest_sum_that_ends_now(slack: float) -> None:
    """Lindley (1952): the recursion max(0, s + x) is the largest sum of the newest values, or 0."""
    rng = np.random.default_rng(0)
    for length in (0, 1, 2, 7, 60):
        regrets = rng.normal(0.1, 1, length)
        sums = np.cumsum((regrets - slack)[::-1])
        assert accumulated(list(regrets), slack=slack) == pytest.approx(max(0.0, *sums) if length else 0.0)


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.0])
def test_the_regret_of_late_is_pandas_adjusted_weighted_mean(weight: float) -> None:
    regrets = np.random.default_rng(1).normal(0.2, 1, 30)
    for length in (1, 2, 30):
        expected = pd.Series(regrets[:length]).ewm(alpha=weight, adjust=True).mean().iloc[-1]
        assert of_late(list(regrets[:length]), weight=weight) == pytest.approx(expected, rel=1e-12)
    assert of_late([], weight=weight) == 0.0


@pytest.mark.parametrize(("growth", "cost"), [(0.001, 0.1), (0.01, 0.5), (0.0004, 1.0)])
def test_where_regret_grows_evenly_the_rule_retrains_as_often_as_the_best_calendar(growth: float, cost: float) -> None:
    """The cheapest period of a calendar is the square root of 2 cost / growth."""
    regrets: list[float] = []
    while accumulated(regrets) <= cost:
        regrets.append(growth * len(regrets))
    assert len(regrets) == pytest.approx(math.sqrt(2 * cost / growth), rel=0.12)


@pytest.mark.parametrize("jump", [0.003, 0.04, 0.5])
def test_after_a_jump_one_pays_at_most_twice_the_cost_and_one_window(jump: float) -> None:
    cost, regrets = 0.5, [0.0] * 40
    while accumulated(regrets) <= cost:
        regrets.append(jump)
    assert sum(regrets) + cost <= 2 * cost + jump + 1e-9


def test_noise_alone_seldom_adds_up_to_the_cost_and_a_stale_model_soon_does() -> None:
    """60 windows of 500 rows, error rate 0.2: a standard deviation of 0.018; MAD 0.012, of which half is taken off; cost 0.2."""
    rng = np.random.default_rng(2)

    def fires(error: float, windows: int) -> bool:
        regrets = rng.binomial(500, error, windows) / 500 - 0.2
        return any(accumulated(list(regrets[:end]), slack=0.006) > 0.2 for end in range(1, windows + 1))

    assert sum(fires(0.2, 60) for _ in range(400)) / 400 < 0.05
    assert sum(fires(0.25, 10) for _ in range(200)) / 200 > 0.95
