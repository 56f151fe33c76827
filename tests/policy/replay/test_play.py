"""A policy is played: who serves, what is paid, and what it may know."""

import numpy as np
import pytest

from ml.errors import ModelOwnerError
from ml.policy.replay import Costs, Policy, play
from ml.policy.replay.families import calendars
from ml.policy.replay.playing import with_shadow
from ml.policy.replay.yardstick import Yardstick
from tests.policy.replay.made import ageing, history


def policy(*windows: int, shadow: int = 0) -> Policy:
    return Policy(name="given", family="given", asks=lambda _champion, window: window in windows, shadow=shadow)


def test_losses_and_costs_of_a_path_are_added_up_by_hand() -> None:
    found = play(ageing(10), policy(4, 7), start=2, end=9)
    assert list(found.champions) == [2, 2, 4, 4, 4, 7, 7]
    assert found.losses == pytest.approx([0.2, 0.21, 0.2, 0.21, 0.22, 0.2, 0.21])
    assert (found.retrainings, found.retrained) == (2, (4, 7))
    assert found.total(Costs(train=0.1, promote=0.3)) == pytest.approx(1.45 + 2 * 0.4)


def test_the_first_champion_is_free_and_cannot_be_replaced_before_it_serves() -> None:
    found = play(ageing(6), policy(0, 1, 2, 3, 4, 5), start=2, end=5)
    assert found.retrained == (3, 4)


def test_a_calendar_counts_from_the_split_and_from_each_training() -> None:
    past = ageing(40)
    every = {one.name: one for one in calendars(past, Yardstick.of(past, start=0, known=10))}
    assert play(past, every["every 6 windows"], start=10, end=40).retrained == (16, 22, 28, 34)
    assert play(past, every["every window"], start=10, end=40).retrainings == 29
    assert play(past, every["never"], start=10, end=40).retrainings == 0


@pytest.mark.parametrize(("delay", "shadow", "windows"), [
    (0, 1, [5, 6, 7, 8, 9]),
    (0, 2, [6, 8]),
    (0, 4, [8]),
    (2, 1, [4, 5, 6, 7, 8, 9]),
    (2, 2, [4, 6, 8]),
    (0, 0, []),
])  # fmt: skip
def test_shadows_are_fitted_at_their_interval_since_the_last_training(delay: int, shadow: int, windows: list[int]) -> None:
    """Without delay what was trained at window 4 is its own shadow there."""
    assert list(np.flatnonzero(with_shadow(ageing(10, delay=delay), champion=4, shadow=shadow))) == windows


def test_each_shadow_is_paid_for_when_the_labels_of_its_window_come() -> None:
    found = play(ageing(12), policy(7, shadow=1), start=4, end=10)
    assert list(found.fits) == [0, 0, 1, 1 + 1, 0, 1]
    assert found.total(Costs(train=0.1, promote=1.0)) == pytest.approx(found.losses.sum() + 4 * 0.1 + 1.0)
    late = play(ageing(12, delay=2), policy(7, shadow=1), start=4, end=10)
    assert list(late.fits) == [0, 0, 0, 1 + 1, 0, 0]


def test_where_no_model_could_be_trained_nothing_is_asked_and_an_unlabelled_window_costs_nothing() -> None:
    losses = ageing(10).losses.copy()
    losses[5], losses[:, 6] = np.nan, np.nan
    found = play(history(losses), policy(5, 7), start=3, end=9)
    assert found.retrained == (7,)
    assert found.losses == pytest.approx([0.2, 0.21, 0.22, 0.0, 0.2, 0.21])
    assert found.mean_loss == pytest.approx(np.mean([0.2, 0.21, 0.22, 0.2, 0.21])), "of the windows that were judged"


def test_a_retraining_that_costs_nothing_is_refused() -> None:
    with pytest.raises(ModelOwnerError, match="one must be above 0"):
        Costs(train=0.0)
    with pytest.raises(ModelOwnerError, match="none below"):
        Costs(train=-0.1, promote=0.5)
    shared = Costs.of(0.5, shadow_share=0.05)
    assert (shared.train, shared.promote, shared.retraining) == pytest.approx((0.025, 0.475, 0.5))
