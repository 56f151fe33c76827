"""How often a policy is recommended where nothing can be won, and where much can."""

import re

import numpy as np
import pytest

from ml.policy.replay import Costs, LossHistory, Parts
from ml.policy.replay.playing import Policy
from ml.policy.replay.recommend import Advice, advise
from ml.policy.replay.tuning import Tuning
from ml.policy.replay.yardstick import Yardstick
from tests.policy.replay.made import ageing, history, jumping


def advised(past: LossHistory, cost: float) -> Advice:
    parts = Parts.of(past, share=0.4)
    yardstick = Yardstick.of(past, start=parts.start, known=parts.known)
    tuning = Tuning(history=past, parts=parts, yardstick=yardstick, costs=Costs.of(cost, shadow_share=0.0))
    return advise(tuning, tuning.votes())


def test_of_policies_that_cost_the_same_the_one_that_retrains_least_is_tuned() -> None:
    past = ageing(30, growth=0.0)
    parts = Parts.of(past, share=0.4)
    yardstick = Yardstick.of(past, start=parts.start, known=parts.known)
    tuning = Tuning(history=past, parts=parts, yardstick=yardstick, costs=Costs.of(1e-15, shadow_share=0.0))
    often, seldom = (Policy(name=f"every {k}", family="calendar", asks=lambda _, window, k=k: window % k == 0) for k in (2, 4))  # type: ignore[misc]
    for policies in ((often, seldom), (seldom, often)):
        assert tuning.best(policies).policy is seldom


@pytest.mark.parametrize("cost", [0.02, 0.1])
def test_on_chance_alone_a_policy_is_recommended_in_one_of_twenty_histories(cost: float) -> None:
    """Windows of 300 rows, all models alike; 25 histories: six times as many would be seen once in a thousand times."""
    random = np.random.default_rng(0)
    told = 0
    for _ in range(25):
        told += advised(history(random.binomial(300, 0.2, (80, 80)) / 300), cost).kind != "never"
    assert told <= 5


def test_one_change_of_the_world_in_the_tuned_windows_is_enough_if_it_is_large() -> None:
    random = np.random.default_rng(1)
    found = []
    for _ in range(10):
        change = int(random.integers(8, 18))
        past = jumping(80, at=(change, 60), jump=0.4, usual=0.1, noise=0.01)
        found.append(advised(past, 0.1).kind)
    assert found.count("vote") == 10


def test_calm_tuned_windows_do_not_switch_off_what_would_see_a_change() -> None:
    """The world changes after the tuned windows: nothing may be written that never asks again."""
    found = advised(jumping(60, at=(30,), jump=0.3, usual=0.1, noise=0.01), 0.1)
    assert (found.kind, found.is_told, found.vote) == ("never", False, None)
    assert found.alternative is not None
    assert found.sentence.startswith("No policy is recommended: ")


def test_never_is_told_where_every_rule_that_retrains_is_dearer() -> None:
    """All models fail now and then, new ones as often as old ones: whoever acts on that pays for nothing."""
    fails = np.random.default_rng(3).random((120, 120)) < 0.05
    found = advised(history(np.where(fails, 0.5, 0.01)), 0.1)
    assert (found.kind, found.is_told, found.alternative) == ("never", True, None)
    assert found.sentence.startswith("Do not retrain: ")


@pytest.mark.parametrize(("windows", "is_told"), [(49, False), (50, True)])
def test_twenty_tuned_windows_are_enough_and_nineteen_are_not(windows: int, is_told: bool) -> None:
    assert advised(jumping(windows, at=(4, 11, 30), jump=0.4, noise=0.01), 0.1).is_told is is_told


def test_one_rule_that_leads_alone_decides_alone_and_a_calendar_needs_no_shadow() -> None:
    """Models are worth nothing after a window, and retraining is cheap: regret is known a window too late."""
    found = advised(ageing(80, growth=0.1, usual=0.2), 0.02)
    assert (found.kind, found.every_windows, found.policy.shadow, found.vote) == ("calendar", 1, 0, None)
    assert re.fullmatch(
        r"Use the calendar: retrain every window; on the 32 windows that policies were chosen on it saved \d+\.\d\d against never, "
        r"\d+\.\d\d to \d+\.\d\d at odds of two to one, not 95 %",
        found.sentence,
    ), found.sentence
