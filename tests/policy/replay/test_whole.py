"""All policies at all costs, and what is recommended: nothing that was judged may have had a say in it."""

import numpy as np
import pytest

from ml.policy.replay import Costs, Parts, Policy, Replayed, replay
from ml.policy.replay.history import LossHistory
from tests.policy.replay.made import ageing, history, jumping

CHEAP, DEAR = Costs.of(0.2, shadow_share=0.0), Costs.of(20.0, shadow_share=0.0)
CHANGES = (6, 14, 27, 35, 49, 60, 67, 80, 93)


def changing(**facts: object) -> LossHistory:
    return jumping(100, at=CHANGES, noise=0.01, **facts)


def every_seven(champion: int, window: int) -> bool:
    return window - champion >= 7


@pytest.fixture(scope="module")
def found() -> Replayed:
    return replay(changing(), [CHEAP, DEAR], own=[Policy(name="as declared", family="as declared", asks=every_seven)])


def test_where_the_world_jumps_the_vote_is_recommended_and_costs_less_than_calendars(found: Replayed) -> None:
    cell = found.cells[0]
    assert (cell.kind, cell.is_told) == ("vote", True)
    assert cell.oracle.total <= cell.recommended.total < min(cell.tuned_calendar.total, cell.hindsight_calendar.total)
    assert cell.hindsight_calendar.total <= cell.tuned_calendar.total
    assert cell.recommended.beyond_never.high < 0
    for one in (cell.never.beyond_never, cell.tuned_calendar.beyond_calendar):
        assert (one.low, one.high) == (0, 0)
    assert cell.never.beyond_calendar.low > 0
    assert cell.sentence.startswith("Let ")
    assert f"came to {cell.recommended.total:.2f} with " in cell.sentence
    assert f"{cell.never.total:.2f} without any retraining" in cell.sentence
    assert "beyond chance" in cell.sentence


def test_where_nothing_asks_never_is_recommended_but_the_quiet_rules_are_named(found: Replayed) -> None:
    cell = found.cells[1]
    assert (cell.kind, cell.recommended.name, cell.vote, cell.is_told) == ("never", "never", None, False)
    assert cell.sentence.startswith("No policy is recommended: ")
    assert "vote, shadow every window" in cell.sentence


def test_totals_are_of_the_judged_windows_only_and_what_was_chosen_says_so(found: Replayed) -> None:
    assert (found.parts.split, found.parts.end) == (40, 100)
    cell = found.cells[0]
    everything = (*cell.policies, cell.oracle, cell.recommended)
    assert all((one.run.start, one.run.end) == (40, 100) for one in everything)
    assert all(one.total == pytest.approx(one.run.losses.sum() + 0.2 * one.retrainings) for one in everything)
    chosen = {one.family for one in cell.policies if one.tuned_total is not None}
    assert chosen == {one.family for one in cell.policies} - {"calendar", "as declared"}


def test_the_declared_policy_is_judged_beside_the_others(found: Replayed) -> None:
    assert found.cells[0].policies[-1].name == "as declared"
    assert found.cells[0].policies[-1].run.retrained == tuple(range(47, 100, 7))


def test_the_judged_windows_have_no_say_in_what_is_recommended() -> None:
    for delay in (0, 2):
        past = changing(delay=delay)
        other = past.losses.copy()
        known = Parts.of(past, share=0.4).known
        other[:, known:] = np.random.default_rng(9).random((100, 100 - known))
        one, two = (replay(x, [CHEAP]).cells[0] for x in (past, history(other, delay=delay)))
        assert (one.recommended.name, one.vote, one.tuned_calendar.name) == (two.recommended.name, two.vote, two.tuned_calendar.name)
        assert {x.name: x.tuned_total for x in one.policies} == {x.name: x.tuned_total for x in two.policies}


def test_no_policy_acts_on_what_was_not_known_yet() -> None:
    """From some window on all is replaced by noise: until its labels come every policy does what it did."""
    cut = 70
    for delay in (0, 2):
        past = changing(delay=delay)
        other = past.losses.copy()
        other[:, cut:] = np.random.default_rng(9).random((100, 100 - cut))
        one, two = (replay(x, [CHEAP]).cells[0] for x in (past, history(other, delay=delay)))
        for a, b in zip(one.policies, two.policies, strict=True):
            known = [[window for window in x.run.retrained if window <= cut + delay] for x in (a, b)]
            assert known[0] == known[1], a.name


def test_fewer_than_twenty_tuned_windows_are_too_few_to_tell() -> None:
    cell = replay(jumping(49, at=CHANGES, noise=0.01), [CHEAP]).cells[0]
    assert (cell.kind, cell.is_told) == ("never", False)
    assert "too short to tell whether retraining pays, with 19 windows to choose a policy on, where 20 are needed" in cell.sentence


def test_a_gain_that_may_be_chance_is_no_gain() -> None:
    random = np.random.default_rng(11)
    cell = replay(history(random.binomial(50, 0.2, (100, 100)) / 50), [Costs.of(0.001, shadow_share=0.0)]).cells[0]
    assert (cell.kind, cell.is_told) == ("never", False)
    assert "too short to tell" in cell.sentence
    assert "odds of two to one" in cell.sentence


def test_where_a_model_is_worth_nothing_after_a_window_the_calendar_is_recommended() -> None:
    cell = replay(ageing(120, growth=0.1, usual=0.2), [Costs.of(0.02, shadow_share=0.2)]).cells[0]
    assert (cell.kind, cell.every_windows, cell.recommended.name, cell.recommended.shadow) == ("calendar", 1, "every window", 0)
    assert cell.recommended.total < cell.never.total


def test_windows_that_cannot_be_judged_are_counted() -> None:
    losses = changing().losses.copy()
    losses[:, 50:53] = np.nan
    losses[60] = np.nan
    found = replay(history(losses), [CHEAP])
    assert (found.unjudged, found.untrained) == (3, 1)
    mine = found.cells[0].recommended
    assert mine.run.mean_loss == pytest.approx(mine.run.losses.sum() / 57), "60 judged windows, 3 of which have no loss"
    assert mine.mean.low < mine.total / 57 < mine.mean.high


def test_where_shadows_are_dear_the_tuned_windows_choose_how_many_there_are_and_else_every_window_has_one() -> None:
    dear = [Costs(train=0.2 * share, promote=0.2 * (1 - share)) for share in (0.1, 0.11, 0.9)]
    cells = replay(changing(), dear).cells
    assert cells[0].recommended.shadow == 1
    votes = {one.name: one.tuned_total for one in cells[2].policies if one.family == "vote"}
    assert cells[2].recommended.tuned_total == min(votes.values()) < votes["vote, shadow every window"]
    assert cells[2].recommended.shadow != 1


def test_each_cost_has_a_cell_with_policies_of_different_names(found: Replayed) -> None:
    assert [one.costs.retraining for one in found.cells] == [0.2, 20.0]
    for one in found.cells:
        assert len({x.name for x in one.policies}) == len(one.policies)
    assert set(found.absent) == {"drift, as declared", "drift, Evidently's default", "quality drop", "estimated quality"}
