"""Rules that vote: reckoned on from window to window as production reckons them anew, and together as a direct loop adds them up."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.policy import Losses, WindowLoss, decide, voting
from ml.policy.replay import Costs, Parts, play
from ml.policy.replay.voters import Voting
from ml.policy.replay.weighing import pool, weighed
from ml.policy.replay.yardstick import Yardstick, regrets
from ml.spec import CalendarVoter, NeverVoter, PaybackVoter, RegretVoter, Retraining, Vote
from tests.policy.replay.made import ageing, history, jumping
from tests.policy.test_rules import evidence


def voters(past: Any, *, shadow: int, cost: float = 0.15, known: int = 20) -> Voting:
    return Voting(history=past, yardstick=Yardstick.of(past, start=past.first, known=known), cost=cost, shadow=shadow)


def test_the_yardstick_knows_what_is_usual_and_what_late_labels_cost() -> None:
    found = Yardstick.of(ageing(30, growth=0.01, delay=3), start=3, known=20)
    assert (found.usual, found.edge) == pytest.approx((0.23, 0.03))
    assert (found.noise, found.usual_noise) == pytest.approx((0, 0))
    assert Yardstick.of(ageing(30, growth=0.01), start=0, known=20).edge == 0


def test_regret_looks_back_at_models_that_learnt_from_all_before_a_window() -> None:
    """The world changes at window 12; the champion of window 10 learnt from what came before 8, a shadow of 13 from all before 13."""
    past = jumping(30, at=(12,), delay=2)
    yardstick = Yardstick.of(past, start=2, known=11)
    found = regrets(past, yardstick, champion=10, shadow=1)
    assert found[10:15] == pytest.approx([0, 0, 0, 0.3, 0.3])
    assert np.isnan(found[:10]).all()
    assert list(np.flatnonzero(np.isfinite(regrets(past, yardstick, champion=10, shadow=4)))) == [10, 14, 18, 22, 26]


def test_without_a_shadow_regret_is_held_against_what_is_usual() -> None:
    past = ageing(30, growth=0.02)
    yardstick = replace(Yardstick.of(past, start=0, known=10), usual=0.25)
    found = regrets(past, yardstick, champion=4, shadow=0)
    assert found[6:9] == pytest.approx([-0.01, 0.01, 0.03])
    assert np.isnan(found[:4]).all()


def test_the_usual_edge_of_looking_back_is_no_regret() -> None:
    """A model that serves is 3 windows old when it is new: so much a shadow is always better."""
    past = ageing(30, growth=0.01, delay=3)
    found = regrets(past, Yardstick.of(past, start=3, known=20), champion=10, shadow=1)
    assert found[10:14] == pytest.approx([0, 0.01, 0.02, 0.03])


@pytest.mark.parametrize("shadow", [0, 1, 2, 4])
@pytest.mark.parametrize("delay", [0, 2])
def test_answers_for_all_windows_are_those_that_production_gives_for_each(shadow: int, delay: int) -> None:
    losses = ageing(40, growth=0.01, noise=0.05).losses.copy()
    losses[:, 17] = np.nan
    past = history(losses, delay=delay)
    every = voters(past, shadow=shadow)
    vote = Vote(voters=pool(calendars=True), noise=every.noise, **({"shadow_windows": shadow} if shadow else {"usual_loss": 0.2}))
    for champion in (8, 15):
        found = regrets(past, every.yardstick, champion=champion, shadow=shadow)
        for voter in vote.voters:
            row = every.row(voter, champion)
            for window in range(champion, 40):
                known = found[: max(0, window - delay)]
                seen = voting.Seen(regrets=list(known[np.isfinite(known)]), windows=window - champion, cost=every.cost)
                assert row[window] == voting.asks(voter, vote, seen), (voter, champion, window)


@pytest.mark.parametrize("shadow", [0, 1, 2])
@pytest.mark.parametrize("delay", [0, 2])
def test_the_vote_that_stands_in_the_declaration_decides_live_as_it_was_replayed(shadow: int, delay: int) -> None:
    past = jumping(60, at=(20, 33, 47), noise=0.03, delay=delay)
    parts, costs = Parts.of(past, share=0.4), Costs(train=0.1, promote=0.1)
    every = Voting(history=past, yardstick=Yardstick.of(past, start=parts.start, known=parts.known), cost=costs.retraining, shadow=shadow)
    vote = weighed(every, pool(calendars=True), costs, parts)
    rules = Retraining.model_validate(
        {
            "drift_share": None,
            "quality_drop": None,
            "cooldown": "0s",
            "regret": {"theta": None},
            "cost": {"train": 0.1, "promote": 0.1},
            "vote": vote.model_dump(mode="json"),
        }
    )
    run = play(past, every.together(vote), start=parts.split, end=parts.end)
    champion = parts.split
    for window in range(parts.split + 1, parts.end):
        judged = [
            WindowLoss(
                window=one, loss=past.served[champion, one], fresh=past.fresh[one], rows=100, against="shadow" if shadow else "usual"
            )
            for one in range(champion, window - delay)
            if shadow == 0 or ((one - champion) % shadow == 0 and (delay or one > champion))
        ]
        found = Losses(metric="accuracy", windows=tuple(judged), against="shadow challengers", noise=0.0) if judged else None
        live = replace(evidence(labelled_rows=900), windows=window - champion, losses=found)
        assert decide(live, rules).retrain == (window in run.retrained), window
        if window in run.retrained:
            champion = window
    assert run.retrainings >= 2


def test_the_vote_is_the_weighted_majority_of_its_rules_in_a_direct_loop() -> None:
    """As the study's pseudo-code has it: tables [rule, champion, window], one number a cell."""
    past, cost, start, end = jumping(60, at=(20, 33, 47), noise=0.05), 0.2, 24, 60
    every = voters(past, shadow=1, cost=cost, known=24)
    loss, sigma = past.losses, every.yardstick.noise
    rules = pool(calendars=False)
    table = np.zeros((len(rules), 60, 60), dtype=bool)
    for champion in range(60):
        for place, rule in enumerate(rules):
            total = mean = scale = 0.0
            for window in range(champion + 1, 60):
                seen = window - 1
                regret = loss[champion, seen] - loss[seen, seen]
                if isinstance(rule, RegretVoter):
                    total = max(0.0, total + (regret - rule.kappa * sigma if seen > champion else 0.0))
                    table[place, champion, window] = total > rule.theta * cost
                if isinstance(rule, PaybackVoter) and seen > champion:
                    mean, scale = (1 - rule.newest) * mean + rule.newest * regret, (1 - rule.newest) * scale + rule.newest
                    table[place, champion, window] = mean / scale > cost / rule.windows
    weights = np.random.default_rng(5).random(len(rules))
    vote = Vote(
        voters=tuple(one.model_copy(update={"weight": float(weight)}) for one, weight in zip(rules, weights, strict=True)),
        shadow_windows=1,
    )
    champion, retrained = start, []
    for window in range(start + 1, end):
        if weights @ table[:, champion, window] / weights.sum() > 0.5:
            champion = window
            retrained.append(window)
    assert play(past, every.together(vote), start=start, end=end).retrained == tuple(retrained)
    assert len(retrained) >= 2


def test_a_rule_weighs_less_the_dearer_it_was_and_the_least_are_left_out() -> None:
    """Models never age: whoever retrains pays for nothing, and never leads. They age fast: never has no say."""
    costs = Costs(train=0.5)
    still, fast = ageing(60, growth=0.0, noise=0.02), ageing(60, growth=0.05)
    parts = Parts.of(still, share=0.4)
    shares = []
    for past in (still, fast):
        vote = weighed(voters(past, shadow=1, cost=0.5, known=24), pool(calendars=True), costs, parts)
        whole = sum(one.weight for one in vote.voters)
        assert whole == pytest.approx(1, abs=0.01)
        assert [one.weight for one in vote.voters] == sorted((one.weight for one in vote.voters), reverse=True)
        assert min(one.weight for one in vote.voters) >= 0.005
        shares.append(sum(one.weight for one in vote.voters if isinstance(one, NeverVoter)) / whole)
        assert not any(isinstance(one, CalendarVoter) and one.every_windows == 1 for one in vote.voters)
    assert shares[0] > 0.05
    assert shares[1] == 0


def test_weights_fall_by_e_where_a_window_is_dearer_by_a_twentieth_of_the_usual_loss() -> None:
    past = ageing(60, growth=0.0, usual=0.2)
    vote = weighed(
        voters(past, shadow=1, cost=0.24, known=24),
        (NeverVoter(weight=1), CalendarVoter(weight=1, every_windows=23)),
        Costs(train=0.24),
        Parts.of(past, share=0.4),
    )
    assert vote.voters[0].weight / vote.voters[1].weight == pytest.approx(np.e, rel=0.01)
