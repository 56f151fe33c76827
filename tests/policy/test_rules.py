"""The rules of a retraining, just under, at and just over each threshold."""

import json
import math
from datetime import timedelta

import pytest

from ml.errors import ModelOwnerError
from ml.policy import Evidence, QualityChange, decide
from ml.spec import Retraining
from ml.state.records import Drift

RULES = Retraining(mode="auto", drift_share=0.3, quality_drop=0.05, minimum_rows=500, cooldown=timedelta(days=1))


def drift(column: str, value: float) -> Drift:
    return Drift(column=column, kind="numeric", method="wasserstein", value=value, threshold=0.1, drifted=value >= 0.1)


def evidence(**changes: object) -> Evidence:
    """Calm: nothing asks for a training, and nothing would hold it back."""
    calm: dict[str, object] = {
        "drifts": tuple(drift(f"c{number}", 0.01) for number in range(10)),
        "quality": QualityChange(metric="roc_auc", now=0.8, at_promotion=0.8, rows=900),
        "no_quality": "",
        "labelled_rows": 500,
        "since_asked": None,
    }
    return Evidence(**(calm | changes))  # type: ignore[arg-type]


def with_drifted(count: int) -> Evidence:
    return evidence(drifts=tuple(drift(f"c{number}", 0.2 + number / 100 if number < count else 0.01) for number in range(10)))


@pytest.mark.parametrize(("drifted", "retrain"), [(2, False), (3, True), (4, True)])
def test_drift_asks_from_the_share_on(drifted: int, retrain: bool) -> None:
    outcome = decide(with_drifted(drifted), RULES)
    assert outcome.retrain is retrain
    assert outcome.reasons[0].startswith(f"{drifted} of 10 columns drifted (c{drifted - 1} 0.2")
    assert outcome.reasons[0].endswith(f"0.{drifted}0, {'at or above' if retrain else 'below'} the 0.30 that asks for a training")


@pytest.mark.parametrize(("metric", "before", "now", "retrain"), [
    ("roc_auc", 0.80, 0.7501, False),
    ("roc_auc", 0.80, 0.75, False),
    ("roc_auc", 0.80, 0.7499, True),
    ("roc_auc", 0.80, 0.90, False),
    ("mae", 0.50, 0.5499, False),
    ("mae", 0.50, 0.55, False),
    ("mae", 0.50, 0.5501, True),
    ("mae", 0.50, 0.10, False),
])  # fmt: skip
def test_quality_asks_when_it_is_worse_by_more_than_the_drop_whichever_way_the_metric_points(
    metric: str, before: float, now: float, retrain: bool
) -> None:
    quality = QualityChange(metric=metric, now=now, at_promotion=before, rows=900)
    outcome = decide(evidence(quality=quality), RULES)
    assert outcome.retrain is retrain
    assert any(f"{metric} went from" in reason and "on 900 labelled rows" in reason for reason in outcome.reasons)


@pytest.mark.parametrize(("error", "retrain", "said"), [
    (None, True, "(worse by 0.080 > 0.050)"),
    (0.0399, True, "(worse by 0.080 > 0.050 and > 0.080, two standard errors of the difference)"),
    (0.04, False, "(worse by 0.080 > 0.050 and ≤ 0.080, two standard errors of the difference: maybe chance)"),
    (0.07, False, "(worse by 0.080 > 0.050 and ≤ 0.140, two standard errors of the difference: maybe chance)"),
])  # fmt: skip
def test_a_drop_that_chance_explains_asks_for_nothing(error: float | None, retrain: bool, said: str) -> None:
    quality = QualityChange(metric="roc_auc", now=0.72, at_promotion=0.80, rows=160, error=error)
    outcome = decide(evidence(quality=quality), RULES)
    assert outcome.retrain is retrain
    assert any(reason.endswith(said) for reason in outcome.reasons), outcome.reasons


@pytest.mark.parametrize(("labelled", "retrain"), [(499, False), (500, True), (501, True)])
def test_too_few_labelled_rows_hold_a_training_back(labelled: int, retrain: bool) -> None:
    outcome = decide(evidence(drifts=with_drifted(9).drifts, labelled_rows=labelled), RULES)
    assert outcome.retrain is retrain
    assert any(str(labelled) in reason for reason in outcome.reasons)
    if not retrain:
        assert outcome.reasons[0] == "too few new rows: 499 labelled rows since the champion's training (< 500)"


@pytest.mark.parametrize(
    ("since", "retrain"), [(timedelta(hours=23, minutes=59), False), (timedelta(days=1), True), (timedelta(days=2), True), (None, True)]
)
def test_cooldown_holds_a_training_back(since: timedelta | None, retrain: bool) -> None:
    outcome = decide(evidence(drifts=with_drifted(9).drifts, since_asked=since), RULES)
    assert outcome.retrain is retrain
    if not retrain:
        assert outcome.reasons[0] == "cooldown of trainings: 24.0 h since a decision last asked for one (< 1 d)"


@pytest.mark.parametrize(
    ("refused", "said"), [("declined", "a person declined a suggestion"), ("expired", "a suggestion expired without an answer")]
)
def test_after_a_no_to_a_suggestion_nobody_is_asked_again_before_the_cooldown_is_over(refused: str, said: str) -> None:
    soon = decide(evidence(drifts=with_drifted(9).drifts, since_asked=timedelta(hours=5), refused=refused), RULES)
    assert (soon.retrain, soon.reasons[0]) == (False, f"cooldown of trainings: 5 h since {said} (< 1 d)")
    assert decide(evidence(drifts=with_drifted(9).drifts, since_asked=timedelta(days=1), refused=refused), RULES).retrain


def test_a_no_gives_the_reason_of_each_rule() -> None:
    outcome = decide(evidence(), RULES)
    assert not outcome.retrain
    assert outcome.reasons == (
        "0 of 10 columns drifted (the farthest is c0 0.010), a share of 0.00, below the 0.30 that asks for a training",
        "roc_auc went from 0.800 at promotion to 0.800 on 900 labelled rows (worse by 0.000 ≤ 0.050)",
        "enough new rows: 500 labelled rows since the champion's training (≥ 500)",
        "no cooldown: no decision has asked for a training before",
    )


def test_what_cannot_be_measured_is_said_and_does_not_hide_the_rest() -> None:
    outcome = decide(evidence(quality=None, no_quality="3 labelled rows in the window", drifts=()), RULES)
    assert not outcome.retrain
    assert "quality: 3 labelled rows in the window" in outcome.reasons
    assert any(reason.startswith("drift: no feature column can be compared") for reason in outcome.reasons)
    assert decide(evidence(quality=None, no_quality="-", drifts=with_drifted(9).drifts), RULES).retrain


def test_a_rule_that_is_switched_off_asks_for_nothing_and_still_shows_its_numbers() -> None:
    rules = RULES.model_copy(update={"drift_share": None, "quality_drop": None})
    worse = QualityChange(metric="roc_auc", now=0.5, at_promotion=0.9, rows=900)
    outcome = decide(evidence(drifts=with_drifted(9).drifts, quality=worse), rules)
    assert not outcome.retrain
    assert "9 of 10 columns drifted (0.90); retraining.drift_share is null" in outcome.reasons[0]


def test_with_mode_off_the_answer_is_the_same_and_says_that_nothing_follows() -> None:
    outcome = decide(with_drifted(9), RULES.model_copy(update={"mode": "off"}))
    assert outcome.retrain
    assert "retraining.mode is off" in outcome.reasons[-1]


def test_a_champion_that_was_replaced_asks_for_nothing() -> None:
    outcome = decide(evidence(drifts=with_drifted(9).drifts, newer_champion=7), RULES)
    assert not outcome.retrain
    assert outcome.reasons[0] == "version 7 has become champion since this window was taken"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_evidence_that_is_no_number_is_a_fault_and_never_a_no(value: float) -> None:
    with pytest.raises(ModelOwnerError, match="drift of 'income'"):
        evidence(drifts=(drift("income", value),))
    with pytest.raises(ModelOwnerError, match="roc_auc in the window is"):
        QualityChange(metric="roc_auc", now=value, at_promotion=0.8, rows=10)
    with pytest.raises(ModelOwnerError, match="roc_auc at promotion is"):
        QualityChange(metric="roc_auc", now=0.8, at_promotion=value, rows=10)


def test_only_the_first_columns_are_named_the_farthest_first() -> None:
    reasons = decide(with_drifted(8), RULES).reasons
    assert reasons[0].startswith("8 of 10 columns drifted (c7 0.270, c6 0.260, c5 0.250, c4 0.240, c3 0.230, …), a share of 0.80, ")


def test_evidence_becomes_json_with_what_follows_from_it() -> None:
    facts = json.loads(json.dumps(evidence(since_asked=timedelta(hours=2)).to_json()))
    assert (facts["since_asked_s"], facts["drift_share"], facts["quality"]["drop"]) == (7200, 0, 0)
    assert facts["drifts"][0]["column"] == "c0"


@pytest.mark.parametrize(("persisting", "retrain"), [(2, False), (3, True)])
def test_alarms_that_persist_ask_from_the_share_on_whatever_drifted_now(persisting: int, retrain: bool) -> None:
    rules = RULES.model_copy(update={"drift_windows": Retraining(drift_windows="2 of 3").drift_windows})
    found = evidence(drifts=with_drifted(6).drifts, persisting=tuple(f"c{number}" for number in range(persisting)))
    outcome = decide(found, rules)
    assert outcome.retrain is retrain
    assert outcome.reasons[0].startswith(f"{persisting} of 10 columns alarmed in 2 of their last 3 looks (c{persisting - 1} 0.2")
    assert outcome.reasons[0].endswith(f"0.{persisting}0, {'at or above' if retrain else 'below'} the 0.30 that asks for a training")
    assert json.loads(json.dumps(found.to_json()))["persisting"] == list(found.persisting or ())
    calm = decide(evidence(persisting=()), rules)
    assert "0 of 10 columns alarmed in 2 of their last 3 looks (the farthest now is c0 0.010), a share of 0.00, below" in calm.reasons[0]
    switched_off = decide(found, rules.model_copy(update={"drift_share": None}))
    assert "retraining.drift_share is null" in " ".join(one.sentence for one in switched_off.findings)
