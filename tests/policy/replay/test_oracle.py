"""The oracle is the cheapest of all paths, and the honest one is not fooled by noise."""

from itertools import combinations

import numpy as np
import pytest

from ml.policy.replay import Costs, LossHistory, Policy, honest_oracle, oracle, play
from tests.policy.replay.made import ageing, history


def cost_of(past: LossHistory, costs: Costs, windows: tuple[int, ...]) -> tuple[float, int]:
    run = play(past, Policy(name="given", family="given", asks=lambda _champion, window: window in windows), start=3, end=11)
    return run.total(costs), run.retrainings


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("cost", [0.05, 0.4, 3.0])
def test_no_path_is_cheaper_than_the_oracle(delay: int, cost: float) -> None:
    """All 128 paths over 8 windows, with a model that is missing and a window without labels."""
    random = np.random.default_rng(7)
    costs = Costs(train=cost / 4, promote=cost * 3 / 4)
    for _ in range(5):
        losses = random.random((11, 11))
        losses[5], losses[:, 8] = np.nan, np.nan
        past = history(losses, delay=delay)
        paths = [path for count in range(8) for path in combinations(range(4, 11), count)]
        best = min(cost_of(past, costs, path) for path in paths)
        found = oracle(past, costs, start=3, end=11)
        assert (found.total(costs), found.retrainings) == (pytest.approx(best[0]), best[1])


def test_of_equally_cheap_paths_the_oracle_takes_the_one_with_the_fewest_retrainings() -> None:
    losses = np.full((6, 6), 0.2)
    losses[:3, 3:] = 0.3
    found = oracle(history(losses), Costs(train=0.3), start=0, end=6)
    assert (found.retrainings, found.total(Costs(train=0.3))) == (0, pytest.approx(1.5))


def test_where_regret_grows_evenly_the_oracle_is_the_best_calendar() -> None:
    """The cheapest period is the square root of 2 cost / growth: 10 windows."""
    found = oracle(ageing(101, growth=0.01), Costs(train=0.5), start=0, end=100)
    assert 9 <= np.diff([0, *found.retrained]).mean() <= 11


def test_on_noise_the_honest_oracle_gains_nothing_while_the_oracle_seems_to() -> None:
    """All models are equal: what the oracle gains is chance, and the honest one pays for retrainings that bring nothing."""
    random, costs = np.random.default_rng(3), Costs(train=0.01)
    halves = tuple(random.binomial(50, 0.2, (60, 60)) / 50 for _ in range(2))
    past = history(sum(halves) / 2, halves=halves)
    never = play(past, Policy(name="never", family="never", asks=lambda *_: False), start=20, end=60).total(costs)
    honest = honest_oracle(past, costs, start=20, end=60)
    assert oracle(past, costs, start=20, end=60).total(costs) < 0.9 * never
    assert honest is not None
    assert honest > 0.97 * never
    assert honest_oracle(ageing(10), costs, start=2, end=10) is None


def test_windows_of_which_a_half_cannot_be_judged_are_not_free_for_the_honest_oracle() -> None:
    past = ageing(30, growth=0.01)
    halves = (past.losses.copy(), past.losses.copy())
    halves[0][:, 10:20] = np.nan
    found = history(past.losses, halves=halves)
    costs = Costs(train=0.5)
    assert honest_oracle(found, costs, start=5, end=30) == pytest.approx(oracle(found, costs, start=5, end=30).total(costs))
