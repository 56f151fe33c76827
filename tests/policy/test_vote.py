"""The declared vote: what it may say, and what it tells."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from ml.policy import Evidence, Finding, Losses, WindowLoss, decide, voting
from ml.spec import PaybackVoter, Retraining
from tests.policy.test_rules import evidence

VOTERS = [
    {"kind": "regret", "theta": 1, "weight": 0.4},
    {"kind": "payback", "windows": 4, "newest": 0.5, "weight": 0.2},
    {"kind": "calendar", "every_windows": 6, "weight": 0.1},
    {"kind": "never", "weight": 0.3},
]


def rules(voters: Any = VOTERS, **vote: Any) -> Retraining:
    declared = {"voters": voters, **(vote or {"shadow_windows": 1})}
    quiet = {"drift_share": None, "quality_drop": None, "regret": {"theta": None}, "cost": {"train": 0.02, "promote": 0.08}}
    return Retraining.model_validate(quiet | {"vote": declared})


def losing(*regrets: float, windows: int = 2) -> Evidence:
    judged = tuple(WindowLoss(window=place, loss=0.2 + one, fresh=0.2, rows=500, against="shadow") for place, one in enumerate(regrets))
    found = Losses(metric="roc_auc", windows=judged, against="shadow challengers", noise=0.0)
    return replace(evidence(), losses=found if judged else None, windows=windows)


def said(found: Evidence, declared: Retraining) -> Finding:
    return next(one for one in decide(found, declared).findings if one.rule == "vote")


@pytest.mark.parametrize(("regrets", "windows", "retrain"), [
    ((0.05, 0.05), 2, False),
    ((0.05, 0.0501), 2, True),
    ((0.2,), 1, True),
    ((-0.1, 0.0), 6, False),
])  # fmt: skip
def test_more_than_half_of_the_weight_asks_for_a_training(regrets: tuple[float, ...], windows: int, retrain: bool) -> None:
    assert said(losing(*regrets, windows=windows), rules()).fired is retrain
    assert decide(losing(*regrets, windows=windows), rules()).retrain is retrain


def test_half_of_the_weight_is_no_majority() -> None:
    half = [{"kind": "calendar", "every_windows": 1, "weight": 0.1 + 0.2}, {"kind": "never", "weight": 0.3}]
    assert not said(losing(0.0), rules(half)).fired
    more = [{"kind": "calendar", "every_windows": 1, "weight": 0.301}, {"kind": "never", "weight": 0.3}]
    assert said(losing(0.0), rules(more)).fired


def test_it_tells_which_share_of_the_weight_asks_and_who() -> None:
    found = said(losing(0.05, 0.06), rules())
    assert found.sentence == (
        "vote: 2 of 4 rules, with 60 % of the weight, ask for a training after 2 windows against a shadow: "
        "regret 1, payback 4 by 0.5 (a majority)"
    )
    assert said(losing(0.0), rules()).sentence.endswith(
        "0 % of the weight, ask for a training after 1 window against a shadow (no majority)"
    )
    assert found.to_json() == {"rule": "vote", "role": "asks", "fired": True, "reason": found.sentence}


def test_without_regret_only_calendars_can_ask() -> None:
    declared = rules([{"kind": "calendar", "every_windows": 6, "weight": 0.6}, {"kind": "regret", "weight": 0.4}])
    assert not said(losing(windows=5), declared).fired
    assert said(losing(windows=6), declared).fired
    assert (
        "without regret, since no window was judged since the champion's training: every 6 windows"
        in said(losing(windows=6), declared).sentence
    )
    silent = said(losing(windows=6), rules(VOTERS[:2]))
    assert (silent.fired, silent.sentence) == (False, "vote: no window was judged since the champion's training")
    unlike = replace(
        evidence(), losses=Losses(metric="roc_auc", windows=(WindowLoss(window=0, loss=0.9, fresh=0.1, rows=500),), against="", noise=0.0)
    )
    assert said(unlike, rules(VOTERS[:2])).sentence == "vote: no shadow was held against the champion since the last training"


def test_without_a_shadow_the_usual_loss_of_the_declaration_counts_and_not_what_is_usual_now() -> None:
    declared = rules(VOTERS[:1], usual_loss=0.35)
    judged = (WindowLoss(window=0, loss=0.44, fresh=0.1, rows=500),)
    usual = replace(evidence(), losses=Losses(metric="roc_auc", windows=judged, against="the usual roc_auc", noise=0.0))
    assert not said(usual, declared).fired
    assert said(usual, rules(VOTERS[:1], usual_loss=0.33)).fired


def test_a_window_with_a_shadow_stands_for_those_without_and_noise_and_edge_are_taken_off() -> None:
    accumulated = VOTERS[:1]
    assert not said(losing(0.06), rules(accumulated, shadow_windows=1)).fired
    assert said(losing(0.06), rules(accumulated, shadow_windows=2)).fired
    assert not said(losing(0.06), rules(accumulated, shadow_windows=2, edge=0.02)).fired
    late = PaybackVoter(weight=1, windows=4, newest=0.5)
    assert (voting.newest(late, 1), voting.newest(late, 2)) == (0.5, 0.75)
    quieter = [{"kind": "regret", "kappa": 0.5, "weight": 1}]
    assert not said(losing(0.06), rules(quieter, shadow_windows=2, noise=0.03)).fired


@pytest.mark.parametrize(("declared", "message"), [
    ({"vote": {"voters": VOTERS, "shadow_windows": 1}}, "vote needs cost"),
    ({"cost": {"train": 1}, "vote": {"voters": VOTERS}}, "either shadow_windows or usual_loss"),
    ({"cost": {"train": 1}, "vote": {"voters": VOTERS, "shadow_windows": 1, "usual_loss": 0.1}}, "either shadow_windows or usual_loss"),
    ({"cost": {"train": 1}, "vote": {"voters": [], "shadow_windows": 1}}, "at least 1 item"),
    ({"cost": {"train": 1}, "vote": {"voters": [{"kind": "never", "weight": 0}], "shadow_windows": 1}}, "greater than 0"),
    ({"cost": {"train": 1}, "vote": {"voters": [{"kind": "moon", "weight": 1}], "shadow_windows": 1}}, "moon"),
])  # fmt: skip
def test_a_vote_that_cannot_be_held_is_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Retraining.model_validate(declared)


def test_it_is_the_same_when_it_comes_back_from_json() -> None:
    declared = rules()
    assert Retraining.model_validate(json.loads(json.dumps(declared.model_dump(mode="json")))) == declared
    assert json.loads(json.dumps(losing(0.1).to_json()))["losses"]["windows"][0]["loss"] == pytest.approx(0.3)
