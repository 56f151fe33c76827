"""The gate: each question has its null hypothesis, each verdict its figures, and what cannot be tested is never praised."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.spec import Promotion
from ml.training.gate import Evidence, Slice, judge
from ml.training.outcome import Check, Outcome
from ml.training.paired import PairedTest
from ml.training.spending import spent


def paired(
    gain: float | None, error: float | None = 0.01, *, metric: str = "accuracy", obstacle: str | None = None, **changes: Any
) -> PairedTest:
    values = {"rows": 4000, "units": 20, "dependence": "blocks", "degrees_of_freedom": 19.0}
    return PairedTest(metric=metric, gain=gain, standard_error=error, obstacle=obstacle, **{**values, **changes})


def evidence(gain: float | None = 0.0, *, error: float | None = 0.01, rules: dict[str, Any] | None = None, **changes: Any) -> Evidence:
    """Against a champion with an accuracy of .75; the standard error is .01, of 20 blocks: 1.729 of it is significant at 5 %."""
    values: dict[str, Any] = {
        "metric": "accuracy",
        "rules": Promotion.model_validate(rules or {}),
        "recipe_changed": False,
        "rows": 4000,
        "challenger": {"accuracy": 0.75 + (gain or 0.0)},
        "baselines": {"majority": {"accuracy": 0.5}},
        "against_baselines": {"majority": paired(0.25)},
        "champion": {"accuracy": 0.75},
        "champion_version": 3,
        "against_champion": paired(gain, error, obstacle="all rows are of one class" if gain is None else None),
    }
    return Evidence(**{**values, **changes})


def first(gains: dict[str, float | None], **changes: Any) -> Evidence:
    """A first model of accuracy .75 against baselines."""
    return evidence(
        champion=None,
        champion_version=None,
        against_champion=None,
        challenger={"accuracy": 0.75},
        baselines={name: {} if gain is None else {"accuracy": 0.75 - gain} for name, gain in gains.items()},
        against_baselines={name: paired(gain, None if gain is None else 0.01, obstacle="no probabilities") for name, gain in gains.items()},
        **changes,
    )


def check(outcome: Outcome, name: str) -> Check:
    return next(found for found in outcome.reasons if found.name == name)


@pytest.mark.parametrize(("gain", "wins"), [(-0.0174, False), (-0.0172, True), (0.0, True), (0.05, True)])
def test_a_routine_retraining_passes_unless_it_is_significantly_worse(gain: float, wins: bool) -> None:
    outcome = judge(evidence(gain))
    assert (outcome.wins, outcome.question) == (wins, "routine")
    assert outcome.gain == gain
    said = "significantly better" if gain == 0.05 else "not significantly worse" if wins else "significantly worse"
    assert outcome.sentence.startswith(f"Routine retraining: the challenger is {said} than the champion")
    assert ("tested for better: p < 0.0001" if gain == 0.05 else "tested for worse: p = ") in outcome.sentence
    assert outcome.comparison is not None
    assert (outcome.comparison.p > 0.05) is wins, "what decided stays the test for worse"


@pytest.mark.parametrize(("gain", "wins"), [(-0.0374, False), (-0.0372, True)])
def test_a_routine_retraining_may_lose_what_is_tolerated(gain: float, wins: bool) -> None:
    outcome = judge(evidence(gain, rules={"tolerated_loss": 0.02}))
    assert outcome.wins is wins
    assert "by more than 0.02" in outcome.sentence


@pytest.mark.parametrize(("gain", "wins"), [(0.0, False), (0.0209, False), (0.0210, True)])
def test_a_changed_recipe_must_be_significantly_better_at_the_spent_level(gain: float, wins: bool) -> None:
    """The first attempt may use 2.5 %: 2.093 standard errors."""
    outcome = judge(evidence(gain, recipe_changed=True))
    assert (outcome.wins, outcome.question) == (wins, "changed recipe")
    assert outcome.comparison is not None
    assert outcome.comparison.level == 0.025


def test_a_changed_recipe_must_beat_the_minimum_gain() -> None:
    assert not judge(evidence(0.0309, recipe_changed=True, rules={"minimum_gain": 0.01})).wins
    assert judge(evidence(0.0310, recipe_changed=True, rules={"minimum_gain": 0.01})).wins


def test_each_further_attempt_must_show_more() -> None:
    assert judge(evidence(0.025, recipe_changed=True, attempt=1)).wins
    assert not judge(evidence(0.025, recipe_changed=True, attempt=2)).wins
    assert judge(evidence(0.027, recipe_changed=True, attempt=2)).wins
    assert judge(evidence(-0.017, attempt=9)).wins
    assert "attempt 2" in judge(evidence(0.025, recipe_changed=True, attempt=2)).sentence


def test_all_attempts_together_spend_the_level() -> None:
    parts = [spent(0.05, attempt) for attempt in range(1, 2000)]
    assert sum(parts) == pytest.approx(0.05, rel=1e-3)
    assert sum(parts) < 0.05
    assert sorted(parts, reverse=True) == parts
    with pytest.raises(ValueError, match="count from 1"):
        spent(0.05, 0)


@pytest.mark.parametrize("changed", [True, False])
def test_the_sentence_has_the_figures_and_never_says_equal(changed: bool) -> None:
    outcome = judge(evidence(0.0, recipe_changed=changed))
    for words in (
        "accuracy 0.7500 against 0.7500",
        "4,000 rows in 20 blocks of time",
        "90 % interval" if not changed else "95 % interval",
        "p = 0.5",
        "80 % power",
        "gain +0",
    ):
        assert words in outcome.sentence
    assert "version 3" in outcome.sentence
    assert "equal" not in outcome.sentence
    assert outcome.comparison is not None
    assert outcome.comparison.detectable > 0.02


def test_models_that_answer_alike_are_told_without_figures_of_chance() -> None:
    outcome = judge(evidence(0.0, error=0.0))
    assert outcome.wins
    assert "gain +0, the same in all of them" in outcome.sentence
    assert "power" not in outcome.sentence
    assert not judge(evidence(0.0, error=0.0, recipe_changed=True)).wins


def test_the_interval_ends_at_the_margin_where_p_is_the_level() -> None:
    found = judge(evidence(-0.01729133, rules={"level": 0.05})).comparison
    assert found is not None
    assert found.p == pytest.approx(0.05, abs=1e-5)
    assert found.high == pytest.approx(0.0, abs=1e-6)
    assert found.confidence == 0.9


def test_the_outcome_survives_json() -> None:
    outcome = judge(evidence(0.01, slices=(Slice("city = Bonn", 40, None),), rules={"floors": {"f1": 0.5}}))
    assert Outcome.model_validate(json.loads(json.dumps(outcome.model_dump(mode="json")))) == outcome
    assert Outcome.model_validate_json(judge(evidence(None, error=None)).model_dump_json()).gain is None


@pytest.mark.parametrize(("rows", "judged"), [(29, False), (30, True)])
@pytest.mark.parametrize("changed", [True, False])
def test_with_too_few_unseen_rows_nothing_is_compared(rows: int, judged: bool, changed: bool) -> None:
    outcome = judge(evidence(0.2, rows=rows, recipe_changed=changed))
    assert outcome.wins is judged
    assert (outcome.gain is not None) is judged
    if not judged:
        assert "only 29 test rows that neither it nor the champion was fitted on" in outcome.sentence
        assert "promotion.minimum_rows" in outcome.sentence


def test_what_is_not_defined_wins_nothing_and_says_so() -> None:
    for changed in (True, False):
        outcome = judge(evidence(None, error=None, recipe_changed=changed))
        assert (outcome.wins, outcome.gain, outcome.comparison) == (False, None, None)
        assert "cannot be compared with the champion (version 3) on 4,000 rows: all rows are of one class" in outcome.sentence
    assert not judge(evidence(0.1, challenger={})).wins


def test_a_gain_that_cannot_be_told_from_chance_wins_nothing() -> None:
    test = paired(0.2, None, obstacle="all rows are of one entity, so nothing tells the difference from chance")
    outcome = judge(evidence(0.2, against_champion=test))
    assert (outcome.wins, outcome.gain) == (False, 0.2)
    assert "gain +0.2), but all rows are of one entity" in outcome.sentence


@pytest.mark.parametrize(("gain", "wins"), [(0.0208, False), (0.0210, True), (0.0, False)])
def test_a_first_model_must_be_significantly_better_than_the_baseline(gain: float, wins: bool) -> None:
    outcome = judge(first({"majority": gain}))
    assert (outcome.wins, outcome.question) == (wins, "first model")
    assert outcome.sentence.startswith("First model: the challenger is")
    assert "baseline that ignores the features (majority)" in outcome.sentence


def test_first_models_that_try_again_on_the_same_rows_must_show_more() -> None:
    again = first({"majority": 0.025})
    assert judge(again).wins
    assert not judge(replace(again, attempt=2)).wins
    assert judge(replace(again, attempt=2)).sentence.startswith("First model, attempt 2: the challenger is not significantly better")
    compared = judge(replace(again, attempt=2)).comparison
    assert compared is not None
    assert (compared.attempt, compared.level) == (2, spent(0.05, 2))


def test_a_first_model_must_beat_every_baseline() -> None:
    outcome = judge(first({"majority": 0.2, "last value": 0.01}))
    assert not outcome.wins
    assert "(last value)" in outcome.sentence
    assert judge(first({"majority": 0.2, "last value": 0.1})).wins


def test_a_baseline_without_the_metric_does_not_count_unless_it_is_alone() -> None:
    outcome = judge(first({"last value": None, "majority": 0.2}))
    assert outcome.wins
    assert [(found.name, found.passed) for found in outcome.reasons] == [("first model", True), ("first model", None)]
    assert not judge(first({"last value": None})).wins
    assert "no probabilities" in judge(first({"last value": None})).sentence
    assert "no baseline" in judge(first({})).sentence


def test_a_first_model_with_few_rows_is_told_what_to_do() -> None:
    outcome = judge(first({"majority": 0.5}, rows=12))
    assert not outcome.wins
    assert "only 12 test rows that it was not fitted on" in outcome.sentence
    assert "promote this version by hand" in outcome.sentence


def test_a_champion_that_cannot_be_compared_is_explained() -> None:
    outcome = judge(_obstructed())
    assert outcome.wins
    assert outcome.sentence.startswith(
        "The champion (version 3) cannot be compared (it fails on these rows: KeyError), so judged as a first model:"
    )


def _obstructed() -> Evidence:
    return evidence(
        champion=None,
        against_champion=None,
        obstacle="it fails on these rows: KeyError",
        challenger={"accuracy": 0.75},
        recipe_changed=True,
    )


def test_a_slice_blocks_only_when_it_is_significantly_worse() -> None:
    worse, unclear = Slice("city = Bonn", 500, paired(-0.05, rows=500)), Slice("city = Köln", 500, paired(-0.019, rows=500))
    outcome = judge(evidence(0.05, slices=(worse, unclear)))
    assert not outcome.wins
    assert check(outcome, "slice city = Bonn").passed is False
    assert check(outcome, "slice city = Köln").passed is True
    assert "it stays a challenger, because slice city = Bonn: significantly worse" in outcome.sentence
    assert "significantly better than the champion (version 3): accuracy" in outcome.sentence
    assert judge(evidence(0.05, slices=(worse, unclear), rules={"tolerated_slice_loss": 0.04})).wins


def test_the_slices_share_the_level() -> None:
    """One slice 1.8 standard errors worse is significant alone (1.73), not among two (2.09); untested ones take no share."""
    worse, fine, small = Slice("a", 500, paired(-0.018)), Slice("b", 500, paired(0.0)), Slice("c", 12, None)
    assert not judge(evidence(slices=(worse, small))).wins
    assert judge(evidence(slices=(worse, fine))).wins


def test_a_small_slice_is_not_tested_and_does_not_pass() -> None:
    outcome = judge(evidence(slices=(Slice("a", 12, None), Slice("b", 300, paired(None, None, obstacle="all 300 rows are of one class")))))
    assert outcome.wins
    assert (check(outcome, "slice a").passed, check(outcome, "slice a").text) == (None, "not tested: 12 rows are too few")
    assert (check(outcome, "slice b").passed, check(outcome, "slice b").text) == (None, "not tested: all 300 rows are of one class")


@pytest.mark.parametrize(
    ("floors", "metrics", "wins"),
    [
        ({"f1": 0.5}, {"f1": 0.5}, True),
        ({"f1": 0.5}, {"f1": 0.499}, False),
        ({"log_loss": 0.5}, {"log_loss": 0.5}, True),
        ({"log_loss": 0.5}, {"log_loss": 0.501}, False),
        ({"roc_auc": 0.5}, {}, False),
    ],
)
def test_a_floor_holds_whoever_is_better(floors: dict[str, float], metrics: dict[str, float], wins: bool) -> None:
    outcome = judge(evidence(0.2, challenger={"accuracy": 0.95, **metrics}, rules={"floors": floors}))
    assert outcome.wins is wins
    name = next(iter(floors))
    assert check(outcome, f"floor {name}").passed is wins
    assert ("promotion.floors asks for" in outcome.sentence) is not wins


@pytest.mark.parametrize(("latency", "size", "wins"), [(5.0, 10.0, True), (5.1, 10.0, False), (5.0, 10.1, False), (None, 10.0, False)])
def test_budgets_hold_and_what_was_not_measured_breaks_them(latency: float | None, size: float, wins: bool) -> None:
    outcome = judge(evidence(0.2, latency_ms=latency, size_mb=size, rules={"latency_ms": 5, "size_mb": 10}))
    assert outcome.wins is wins
    assert judge(evidence(0.2, latency_ms=latency, size_mb=size)).wins


def test_evidence_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="come together"):
        evidence(champion=None)
    with pytest.raises(ValueError, match="each baseline"):
        evidence(baselines={})


def simulated(question: str, gain: float, rules: dict[str, Any], attempts: int = 1, trials: int = 4000) -> float:
    """How often a challenger of this true gain passes, in 1,500 rows of which 12 % are answered differently."""
    random, rows = np.random.default_rng(7), 1500
    passed = 0
    for _ in range(trials):
        for attempt in range(1, attempts + 1):
            counts = random.multinomial(rows, [(0.12 + gain) / 2, (0.12 - gain) / 2, 0.88])
            mean = (counts[0] - counts[1]) / rows
            error = float(np.sqrt(((counts[0] + counts[1]) / rows - mean**2) / (rows - 1)))
            test = paired(mean, error, rows=rows, units=rows, dependence="rows", degrees_of_freedom=rows - 1.0)
            if judge(evidence(against_champion=test, recipe_changed=question == "changed recipe", attempt=attempt, rules=rules)).wins:
                passed += 1
                break
    return passed / trials


def test_error_rates_are_as_stated() -> None:
    """Within three binomial standard errors of 600 trials: .027."""
    blocked = 1 - simulated("routine", -0.01, {"tolerated_loss": 0.01}, trials=600)
    assert blocked == pytest.approx(0.05, abs=0.027)
    assert simulated("changed recipe", 0.01, {"minimum_gain": 0.01}, trials=600) == pytest.approx(0.025, abs=0.02)
    assert simulated("changed recipe", 0.0, {"level": 0.2}, attempts=5, trials=300) < 0.2
    assert simulated("changed recipe", 0.04, {}, trials=200) > 0.95
