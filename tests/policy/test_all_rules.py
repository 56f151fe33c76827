"""Every rule says whether it fired and why, just under, at and just over; they combine; the policy has a version."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ml.errors import ModelOwnerError
from ml.policy import EstimatedQuality, Evidence, Finding, LearnableRows, Losses, QualityChange, Usual, WindowLoss, decide, version
from ml.spec import Retraining
from tests.policy.test_rules import evidence, with_drifted

QUIET: dict[str, Any] = {"drift_share": None, "quality_drop": None, "minimum_rows": 500}


def rules(**declared: Any) -> Retraining:
    return Retraining.model_validate(QUIET | declared)


def said(found: Evidence, declared: Retraining, rule: str) -> Finding:
    return {one.rule: one for one in decide(found, declared).findings}[rule]


def test_every_rule_stands_in_the_findings_with_a_stable_name_also_when_it_is_not_declared() -> None:
    outcome = decide(evidence(), Retraining())
    asking = ["drift_share", "quality_drop", "estimated_drop", "regret", "payback", "vote", "new_rows", "age", "every_windows"]
    holding = ["newer_champion", "minimum_rows", "cooldown", "budget", "data"]
    assert [one.rule for one in outcome.findings] == [*asking, *holding, "mode"]
    shown = {one["rule"]: one for one in json.loads(json.dumps(outcome.rules_json()))}
    assert shown["age"] == {"rule": "age", "role": "asks", "fired": None, "reason": "retraining.age is null: age alone asks for nothing"}
    assert shown["drift_share"]["fired"] is False
    assert all(one.sentence for one in outcome.findings)


@pytest.mark.parametrize(("earlier", "retrain"), [
    ((), False),
    ((0.0, 0.0), False),
    ((0.3, 0.0), True),
    ((0.0, 0.3), True),
    ((0.29, None), False),
    ((0.0, 0.0, 0.9), False),
])  # fmt: skip
def test_drift_must_persist_in_k_of_n_windows_of_the_champion(earlier: tuple[float | None, ...], retrain: bool) -> None:
    found = replace(with_drifted(9), earlier_shares=earlier)
    assert decide(found, rules(drift_share=0.3, drift_windows="2 of 3")).retrain is retrain
    assert (
        f"windows ({'≥' if retrain else '<'} 2 of 3)" in said(found, rules(drift_share=0.3, drift_windows="2 of 3"), "drift_share").sentence
    )


@pytest.mark.parametrize(("now", "retrain"), [(0.8001, False), (0.80, False), (0.7999, True)])
def test_a_champion_that_was_born_bad_is_held_against_what_fresh_models_usually_score(now: float, retrain: bool) -> None:
    usual = Usual(metric="roc_auc", value=0.85, models=5, spread=0.01)
    born_bad = QualityChange(metric="roc_auc", now=now, at_promotion=0.80, rows=900, usual=usual)
    outcome = decide(evidence(quality=born_bad), rules(quality_drop=0.05))
    assert outcome.retrain is retrain
    assert "roc_auc went from the usual 0.850, the median of 5 fresh models (0.800 at promotion), to" in " ".join(outcome.reasons)
    assert not decide(evidence(quality=replace(born_bad, usual=None)), rules(quality_drop=0.05)).retrain


def estimate(**changes: Any) -> EstimatedQuality:
    facts: dict[str, Any] = {"metric": "roc_auc", "value": 0.7499, "low": 0.70, "high": 0.79, "usual": 0.8}
    audit = {"audit_windows": 5, "audited_share": 0.8, "trusted": True, "audit": "Trusted: 4 of 5."}
    return EstimatedQuality(**(facts | audit | changes))


@pytest.mark.parametrize(("changes", "fired"), [
    ({}, True),
    ({"value": 0.75}, False),
    ({"high": 0.80}, False),
    ({"trusted": False, "audit": "Not trusted: 3 of 5."}, False),
    ({"trusted": False, "audit": "Not trusted: none.", "audit_windows": 0, "audited_share": None}, False),
])  # fmt: skip
def test_an_estimated_drop_counts_once_the_estimates_have_stood_the_audit(changes: dict[str, Any], fired: bool) -> None:
    found = estimate(**changes)
    finding = said(evidence(estimated=found), rules(estimated_drop=0.05), "estimated_drop")
    assert finding.fired is fired, finding.sentence
    assert finding.sentence.endswith(found.audit)
    assert ("does not count" in finding.sentence) is not found.trusted
    assert said(evidence(no_estimate="why not"), rules(estimated_drop=0.05), "estimated_drop").sentence == "estimated quality: why not"
    assert not said(evidence(), rules(estimated_drop=0.05), "estimated_drop").fired
    with pytest.raises(ModelOwnerError, match="outside of its interval"):
        replace(found, value=0.95)


def losses(*regrets: float, noise: float = 0.0, shadow: bool = False) -> Losses:
    windows = tuple(WindowLoss(window=number, loss=0.2 + one, fresh=0.2, rows=300) for number, one in enumerate(regrets, 1))
    against = "a shadow challenger" if shadow else "the usual accuracy of 5 fresh models"
    return Losses(metric="accuracy", windows=windows, against=against, noise=noise)


@pytest.mark.parametrize(("found", "regret", "fired"), [
    (losses(0.1, 0.125), {}, False),
    (losses(0.125, 0.125), {}, False),
    (losses(0.125, 0.126), {}, True),
    (losses(-0.5, 0.125, 0.126), {}, True),
    (losses(0.125, 0.126), {"theta": 2}, False),
    (losses(0.125, 0.126, noise=0.02), {"kappa": 0.5}, False),
    (losses(0.125, 0.126), {"theta": None}, False),
])  # fmt: skip
def test_accumulated_regret_asks_when_it_exceeds_what_a_retraining_costs(found: Losses, regret: dict[str, Any], fired: bool) -> None:
    declared = rules(cost={"train": 0.05, "promote": 0.2}, regret=regret)
    finding = said(evidence(losses=found), declared, "regret")
    assert finding.fired is fired, finding.sentence


def test_regret_names_what_it_is_held_against_and_asks_nothing_without_a_cost() -> None:
    declared = rules(cost={"train": 0.05})
    assert (
        "2 windows against the usual accuracy of 5 fresh models > 0.050" in said(evidence(losses=losses(1, 1)), declared, "regret").sentence
    )
    assert "1 window against a shadow challenger" in said(evidence(losses=losses(1, shadow=True)), declared, "regret").sentence
    assert not said(evidence(losses=losses(1, 1)), rules(), "regret").declared
    assert not said(evidence(losses=None, no_losses="nothing yet"), declared, "regret").fired


@pytest.mark.parametrize(("rows", "fired"), [(100, False), (201, True)])
def test_a_cost_in_money_is_held_against_what_errors_in_the_windows_own_rows_cost(rows: int, fired: bool) -> None:
    """A regret of 0.25 over windows of 200 rows is 50 errors, at 2 each as much as a retraining."""
    declared = rules(cost={"train": 20, "promote": 80, "per_error": 2}, regret={"payback_windows": 2})
    found = evidence(losses=losses(0.125, 0.125), window_rows=rows)
    for rule in ("regret", "payback"):
        finding = said(found, declared, rule)
        assert finding.fired is fired
        assert finding.sentence.endswith(f"; a retraining costs 100.000 in money, {50 / rows:.3f} at 2.000 an error in {rows} rows")
    with pytest.raises(ModelOwnerError, match="a cost in money needs the window's rows"):
        decide(evidence(losses=losses(1, 1)), declared)


@pytest.mark.parametrize(
    ("fits", "told"),
    [(0, ""), (1, "; 1 shadow fitted since the training cost 0.100"), (3, "; 3 shadows fitted since the training cost 0.300")],
)
def test_what_shadows_cost_is_told_and_moves_no_limit(fits: int, told: str) -> None:
    found = evidence(losses=replace(losses(0.1, 0.05, shadow=True), shadow_fits=fits))
    declared = rules(cost={"train": 0.1, "promote": 0.1}, regret={"payback_windows": 4})
    for rule, end in (("regret", "the cost of a retraining"), ("payback", "within 4 windows")):
        finding = said(found, declared, rule)
        assert finding.sentence.endswith(end + told)
        assert finding.fired is (rule == "payback")


@pytest.mark.parametrize(("late", "fired"), [(0.049, False), (0.051, True)])
def test_payback_asks_when_the_regret_of_late_pays_within_the_windows(late: float, fired: bool) -> None:
    declared = rules(cost={"train": 0.2}, regret={"theta": None, "payback_windows": 4})
    finding = said(evidence(losses=losses(late, late, late)), declared, "payback")
    assert finding.fired is fired, finding.sentence


@pytest.mark.parametrize(("key", "limit", "fact", "values"), [
    ("new_rows", 100, "new_rows", (99, 100)),
    ("age", "7d", "age", (timedelta(days=6, hours=23), timedelta(days=7))),
    ("every_windows", 4, "windows", (3, 4)),
])  # fmt: skip
def test_rows_age_and_calendar_ask_from_their_limit_on(key: str, limit: object, fact: str, values: tuple[object, object]) -> None:
    for value, retrain in zip(values, (False, True), strict=True):
        outcome = decide(evidence(**{fact: value}), rules(**{key: limit}))
        assert outcome.retrain is retrain
        assert said(evidence(**{fact: value}), rules(**{key: limit}), key).fired is retrain


@pytest.mark.parametrize(("days", "retrain"), [((1, 29), False), ((1, 30), True), ((1,), True), ((), True)])
def test_a_budget_that_is_spent_holds_a_training_back(days: tuple[int, ...], retrain: bool) -> None:
    found = replace(with_drifted(9), asked_ago=tuple(timedelta(days=one) for one in days))
    outcome = decide(found, rules(drift_share=0.3, budget="2 per 30d"))
    assert outcome.retrain is retrain
    if not retrain:
        assert outcome.reasons[0] == "the budget is spent: decisions asked for 2 trainings within 30 d (≥ 2)"


@pytest.mark.parametrize(("found", "why"), [
    (LearnableRows(rows=49, needed=50), "49 rows with a final label (< 50)"),
    (LearnableRows(rows=90, needed=50, classes=1, rarest="no", rarest_rows=90), "90 rows with a final label, all of the class 'no'"),
    (LearnableRows(rows=90, needed=50, classes=2, rarest="yes", rarest_rows=9), "9 of the class 'yes' (< 10)"),
    (LearnableRows(rows=50, needed=50, classes=2, rarest="yes", rarest_rows=10), None),
    (LearnableRows(rows=50, needed=50), None),
])  # fmt: skip
def test_too_little_to_learn_from_holds_a_training_back(found: LearnableRows, why: str | None) -> None:
    outcome = decide(replace(with_drifted(9), learnable=found), rules(drift_share=0.3, minimum_class_rows=10))
    assert outcome.retrain is (why is None)
    if why is not None:
        assert outcome.reasons[0].endswith(why)


@pytest.mark.parametrize(("mode", "state"), [("auto", "open"), ("suggest", "suggested"), ("off", "recorded")])
def test_the_mode_changes_what_follows_and_never_the_answer(mode: str, state: str) -> None:
    declared = rules(drift_share=0.3, mode=mode)
    assert (decide(with_drifted(9), declared).retrain, decide(with_drifted(9), declared).state) == (True, state)
    assert decide(evidence(), declared).state == "no"


def test_causes_combine_and_the_deciding_ones_come_first() -> None:
    declared = rules(drift_share=0.3, age="7d", every_windows=9)
    outcome = decide(evidence(age=timedelta(days=8), windows=2), declared)
    assert outcome.retrain
    assert outcome.reasons[0] == "age: the last training was 8 d ago (≥ 7 d)"
    assert any(one.startswith("calendar: window 2") for one in outcome.reasons)


def test_the_version_names_the_declared_rules_and_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    one = version(Retraining())
    assert one == version(Retraining())
    assert one != version(Retraining(drift_share=0.31))
    assert len(one) <= 16, "it is a part of the decision's id"
    monkeypatch.setattr("ml.policy.rules.CODE_VERSION", 99)
    assert version(Retraining()) != one


def test_all_evidence_becomes_json() -> None:
    found = evidence(
        losses=losses(0.1, 0.2), age=timedelta(hours=1), asked_ago=(timedelta(days=2),), earlier_shares=(0.1, None), windows=3,
        learnable=LearnableRows(rows=50, needed=50),
        estimated=estimate(metric="mae", value=1, low=0.5, high=2, usual=1),
    )  # fmt: skip
    facts = json.loads(json.dumps(found.to_json()))
    assert (facts["age_s"], facts["asked_ago_s"], facts["earlier_shares"]) == (3600, [172800], [0.1, None])
    assert [one["loss"] for one in facts["losses"]["windows"]] == pytest.approx([0.3, 0.4])
