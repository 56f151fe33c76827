"""Another length of history is taken only where the tuned windows tell it from the declared one."""

import numpy as np
import pytest

from ml.policy.replay import Costs, LossHistory, length
from tests.policy.replay.made import ageing, history, jumping

COSTS = Costs(train=0.2)


def with_level(usual: float, *, first: int = 8, noise: float = 0.02) -> LossHistory:
    return ageing(90, usual=usual, first=first, noise=noise, growth=0.002)


def test_a_length_that_is_clearly_better_is_taken() -> None:
    found = length({"8 windows": with_level(0.3), "all": with_level(0.2)}, declared="8 windows", costs=COSTS)
    assert found.name == "all"
    assert found.saved is not None
    assert found.saved.low > 0
    assert found.tuned_totals["all"] < found.tuned_totals["8 windows"]


def test_where_it_may_be_chance_or_the_declared_one_is_best_that_stays() -> None:
    close = length({"8 windows": with_level(0.2002), "all": with_level(0.2, noise=0.05)}, declared="8 windows", costs=COSTS)
    assert close.name == "8 windows"
    better = length({"8 windows": with_level(0.1), "all": with_level(0.2)}, declared="8 windows", costs=COSTS)
    assert (better.name, better.saved) == ("8 windows", None)


def test_lengths_are_compared_on_the_windows_that_all_of_them_have() -> None:
    found = length(
        {"4 windows": with_level(0.2, first=4, noise=0.0), "12 windows": with_level(0.2, first=12, noise=0.0)},
        declared="4 windows",
        costs=COSTS,
    )
    assert found.name == "4 windows"
    assert found.tuned_totals["4 windows"] == pytest.approx(found.tuned_totals["12 windows"], rel=0.1)


def test_a_length_that_needs_more_windows_gets_no_champion_for_nothing() -> None:
    """The world changes at window 10: whoever starts later has a model of the new one, which the other would have to train."""
    past = jumping(90, at=(10,), jump=0.4, noise=0.01)
    later = past.losses.copy()
    later[:12] = np.nan
    found = length({"4 windows": past, "12 windows": history(later)}, declared="4 windows", costs=Costs(train=5.0))
    assert found.tuned_totals["4 windows"] == pytest.approx(found.tuned_totals["12 windows"])
    assert found.name == "4 windows"


def test_too_few_tuned_windows_change_nothing() -> None:
    found = length({"8 windows": with_level(0.3), "40 windows": with_level(0.2, first=40)}, declared="8 windows", costs=COSTS)
    assert found.name == "8 windows"
