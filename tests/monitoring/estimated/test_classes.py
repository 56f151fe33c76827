"""Estimates of a classifier's quality: known answers, simulated coverage, published behaviour, and rows that allow none."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ml.monitoring.estimated.audit import audit, matured
from ml.monitoring.estimated.calibrated import calibrate
from ml.monitoring.estimated.classes import Labelled, Scores, estimate
from ml.monitoring.estimated.expected import EXPECTED, Said
from ml.monitoring.estimated.values import Estimated
from ml.spec.rules import METRICS
from ml.training.evaluation import measure

Array = np.ndarray[Any, Any]
THREE = ("a", "b", "c")


def two_classes(random: np.random.Generator, rows: int, *, shift: float = 0.0, slope: float = 1.0) -> tuple[Array, Array]:
    """Scores and labels; the score is the true probability where `slope` is 1. A shift makes yes likelier and changes no probability."""
    level = random.normal(-1.2 + shift, 1.5, rows)
    return 1 / (1 + np.exp(-slope * level)), random.random(rows) < 1 / (1 + np.exp(-level))


def three_classes(random: np.random.Generator, rows: int, *, slope: float = 1.0, shift: float = 0.0) -> tuple[Array, Array]:
    levels = random.normal(0, 1.5, (rows, 3)) + np.array([0.5 + shift, 0.0, -2.0])
    chances, said = np.exp(levels), np.exp(slope * levels)
    chances, said = chances / chances.sum(axis=1, keepdims=True), said / said.sum(axis=1, keepdims=True)
    return said, (chances.cumsum(axis=1) < random.random(rows)[:, None]).sum(axis=1)


def scores_of(chance: Array) -> Scores:
    if chance.ndim == 2:
        return Scores(classes=THREE, said=np.array(THREE)[chance.argmax(axis=1)], probabilities=chance)
    return Scores(classes=("no", "yes"), said=np.where(chance >= 0.4, "yes", "no"), probabilities=np.column_stack([1 - chance, chance]))


def texts(labels: Array) -> Array:
    return np.where(labels, "yes", "no") if labels.dtype == bool else np.array(THREE)[labels]


def measured(scores: Scores, labels: Array) -> dict[str, float]:
    task: Any = "binary" if len(scores.classes) == 2 else "multiclass"
    table = pd.DataFrame(scores.probabilities, columns=list(scores.classes))
    positive = "yes" if task == "binary" else None
    return measure(task, labels=texts(labels), predictions=scores.said, probabilities=table, positive=positive)


def estimated(reference: tuple[Array, Array], window: Array, **options: Any) -> Estimated:
    positive = "yes" if window.ndim == 1 else None
    return estimate(Labelled(scores=scores_of(reference[0]), labels=texts(reference[1])), scores_of(window), positive=positive, **options)


def said_of(scores: Scores) -> Said:
    assert scores.probabilities is not None
    places = np.array([scores.classes.index(name) for name in scores.said])
    return Said(scores.probabilities, places, 1 if len(scores.classes) == 2 else None)


@pytest.mark.parametrize("metric", METRICS["binary"])
def test_labels_that_are_certain_give_the_measured_metric_of_two_classes(metric: str) -> None:
    chance, labels = two_classes(np.random.default_rng(0), 400)
    scores = scores_of(np.round(chance, 1))  # with ties
    found = EXPECTED[metric](said_of(scores), np.column_stack([~labels, labels]).astype(float))
    assert found.value == pytest.approx(measured(scores, labels)[metric], abs=1e-12)
    assert found.spread(np.column_stack([~labels, labels]).astype(float)) == 0


@pytest.mark.parametrize("metric", METRICS["multiclass"])
def test_labels_that_are_certain_give_the_measured_metric_of_several_classes(metric: str) -> None:
    chance, labels = three_classes(np.random.default_rng(0), 400)
    found = EXPECTED[metric](said_of(scores_of(chance)), np.eye(3)[labels])
    assert found.value == pytest.approx(measured(scores_of(chance), labels)[metric], abs=1e-12)


@pytest.mark.parametrize("metric", METRICS["binary"])
def test_expectation_and_spread_are_those_of_labels_drawn_from_the_probabilities(metric: str) -> None:
    random = np.random.default_rng(1)
    chance, _ = two_classes(random, 300)
    scores, q = scores_of(chance), np.column_stack([1 - chance, chance])
    drawn = np.array([measured(scores, random.random(300) < chance)[metric] for _ in range(600)])
    found = EXPECTED[metric](said_of(scores), q)
    assert abs(drawn.mean() - found.value) < 4 * drawn.std() / np.sqrt(600) + 0.002
    assert found.spread(q) == pytest.approx(drawn.std(), rel=0.12)


@pytest.mark.parametrize("metric", METRICS["multiclass"])
def test_expectation_and_spread_of_several_classes_are_those_of_drawn_labels(metric: str) -> None:
    random = np.random.default_rng(2)
    chance, _ = three_classes(random, 400)
    until = chance.cumsum(axis=1)
    drawn = np.array([measured(scores_of(chance), (until < random.random(400)[:, None]).sum(axis=1))[metric] for _ in range(400)])
    found = EXPECTED[metric](said_of(scores_of(chance)), chance)
    assert abs(drawn.mean() - found.value) < 4 * drawn.std() / np.sqrt(400) + 0.002
    assert found.spread(chance) == pytest.approx(drawn.std(), rel=0.15)


def test_accuracy_is_a_poisson_binomial_share() -> None:
    chance = np.random.default_rng(3).uniform(0.4, 1, 500)
    said = Said(np.column_stack([1 - chance, chance]), np.ones(500, dtype=np.intp), 1)
    found = EXPECTED["accuracy"](said, said.probabilities)
    assert found.value == pytest.approx(chance.mean())
    assert found.spread(said.probabilities) == pytest.approx(np.sqrt((chance * (1 - chance)).sum()) / 500)


def test_the_calibration_is_the_logistic_regression_of_these_features() -> None:
    chance, labels = two_classes(np.random.default_rng(4), 20_000, slope=2.0)
    reference, window = said_of(scores_of(chance)), said_of(scores_of(np.linspace(0.05, 0.95, 50)))
    found = calibrate(reference=reference, happened=labels.astype(np.intp), window=window)

    def features(said: Said) -> Array:
        return np.column_stack([np.log(said.probabilities[:, 1]), -np.log(said.probabilities[:, 0]), said.said])

    theirs = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-10).fit(features(reference), labels)
    assert found.q[:, 1] == pytest.approx(theirs.predict_proba(features(window))[:, 1], abs=0.004)  # a weak prior lies between them


def test_the_expected_confusion_of_the_reference_is_the_counted_one_for_a_model_that_is_badly_calibrated() -> None:
    random = np.random.default_rng(5)
    chance, labels = two_classes(random, 20_000)
    reference = said_of(scores_of(np.where(chance > 0.4, chance**3 + 0.4, chance / 3).clip(0, 1)))
    found = calibrate(reference=reference, happened=labels.astype(np.intp), window=reference)
    counted = (labels & (reference.said == 1)).sum()
    assert found.q[reference.said == 1, 1].sum() == pytest.approx(counted, rel=0.002)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (2.0, 0.0), (1.0, 0.7)], ids=["calibrated", "too sure", "covariate shift"])
def test_intervals_of_two_classes_hold_the_measured_metrics_about_as_often_as_they_say(slope: float, shift: float) -> None:
    random, inside, errors, trials = np.random.default_rng(6), dict.fromkeys(METRICS["binary"], 0), [], 120
    for _ in range(trials):
        window, labels = two_classes(random, 500, shift=shift, slope=slope)
        found, truth = estimated(two_classes(random, 500, slope=slope), window), measured(scores_of(window), labels)
        errors.append([one.value - truth[one.metric] for one in found.metrics if one.value is not None])
        for one in found.metrics:
            assert one.low is not None
            assert one.high is not None
            inside[one.metric] += one.low <= truth[one.metric] <= one.high
    assert all(0.87 <= count / trials <= 1 for count in inside.values()), inside
    bias, deviation = np.mean(errors, axis=0), np.std(errors, axis=0)
    assert (np.abs(bias) < 4 * deviation / np.sqrt(trials)).all()


def test_intervals_of_several_classes_hold_the_measured_metrics_about_as_often_as_they_say() -> None:
    random, inside, trials = np.random.default_rng(7), dict.fromkeys(METRICS["multiclass"], 0), 100
    for _ in range(trials):
        window, labels = three_classes(random, 500, slope=1.6, shift=0.5)
        found, truth = estimated(three_classes(random, 600, slope=1.6), window), measured(scores_of(window), labels)
        for one in found.metrics:
            assert one.low is not None
            assert one.high is not None
            inside[one.metric] += one.low <= truth[one.metric] <= one.high
    assert all(count / trials >= 0.86 for count in inside.values()), inside


def test_fewer_reference_rows_make_the_model_error_larger_and_leave_the_sampling_error() -> None:
    random = np.random.default_rng(8)
    (many, window), few = (two_classes(random, 8000), two_classes(random, 2000)[0]), two_classes(random, 500)
    sure, unsure = estimated(many, window).of("accuracy"), estimated(few, window).of("accuracy")
    assert sure is not None
    assert unsure is not None
    assert 2.5 < (unsure.model_error or 0) / (sure.model_error or 1) < 6.5  # the root of 16, give or take
    assert unsure.sampling_error == pytest.approx(sure.sampling_error, rel=0.1)


def test_reference_rows_of_one_unit_count_as_one() -> None:
    random = np.random.default_rng(9)
    chance, labels = two_classes(random, 500)
    scores, four = scores_of(np.repeat(chance, 4)), texts(np.repeat(labels, 4))
    window = scores_of(two_classes(random, 1000)[0])
    each = estimate(Labelled(scores=scores, labels=four), window, positive="yes").of("accuracy")
    grouped = estimate(Labelled(scores=scores, labels=four, units=np.repeat(np.arange(500), 4)), window, positive="yes").of("accuracy")
    assert each is not None
    assert grouped is not None
    assert (grouped.model_error or 0) == pytest.approx(2 * (each.model_error or 0), rel=0.02)


def test_under_covariate_shift_the_estimate_is_closer_than_the_test_set_and_its_audit_trusts_it() -> None:
    random, history = np.random.default_rng(10), []
    reference = two_classes(random, 4000)
    before = measured(scores_of(reference[0]), reference[1])["accuracy"]
    for number in range(10):
        window, labels = two_classes(random, 4000, shift=0.15 * number)
        truth = measured(scores_of(window), labels)["accuracy"]
        history.append(
            matured(str(number), estimated(reference, window), "accuracy", measured=truth, labelled_rows=4000, at_promotion=before)
        )
    found = audit([one for one in history if one is not None])
    assert found.trusted
    assert found.mean_absolute_error is not None
    assert found.mae_of_assuming_nothing is not None
    assert found.mae_of_assuming_nothing > 3 * found.mean_absolute_error


def test_under_concept_drift_the_estimate_fails_and_its_audit_says_so() -> None:
    random, history = np.random.default_rng(11), []
    reference = two_classes(random, 4000)
    before = measured(scores_of(reference[0]), reference[1])["accuracy"]
    for number in range(10):
        window, labels = two_classes(random, 1000, shift=0.1)
        truth = measured(scores_of(window), ~labels)["accuracy"]  # the same inputs now mean the opposite
        history.append(
            matured(str(number), estimated(reference, window), "accuracy", measured=truth, labelled_rows=1000, at_promotion=before)
        )
    found = audit([one for one in history if one is not None])
    assert not found.trusted
    assert found.share_inside == 0
    assert found.sentence.startswith("Not trusted: 0 of 10")


def test_the_same_rows_give_the_same_estimate_and_it_survives_json() -> None:
    random = np.random.default_rng(12)
    reference, window = two_classes(random, 500), two_classes(random, 200)[0]
    found = estimated(reference, window)
    assert found == estimated(reference, window)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [one["metric"] for one in told["metrics"]] == list(METRICS["binary"])
    assert told["method"] == "cbpe"


def test_the_order_of_the_classes_does_not_matter() -> None:
    random = np.random.default_rng(13)
    reference, window = two_classes(random, 500), scores_of(two_classes(random, 200)[0])
    assert window.probabilities is not None
    turned = Scores(classes=("yes", "no"), said=window.said, probabilities=window.probabilities[:, ::-1])
    labelled = Labelled(scores=scores_of(reference[0]), labels=texts(reference[1]))
    one, other = (estimate(labelled, scores, positive="yes") for scores in (window, turned))
    assert [found.value for found in other.metrics] == pytest.approx([found.value for found in one.metrics])


def test_a_class_with_few_test_rows_borrows_the_others_calibration() -> None:
    random = np.random.default_rng(14)
    reference = three_classes(random, 150, slope=3.0)
    rare = np.bincount(reference[1], minlength=3)[2]
    assert rare < 20
    window, labels = three_classes(random, 3000, slope=3.0)
    found = estimated(reference, window).of("accuracy")
    assert found is not None
    assert found.value is not None
    truth = measured(scores_of(window), labels)["accuracy"]
    raw = window.max(axis=1).mean()
    assert abs(found.value - truth) < abs(raw - truth) / 2


RANDOM = np.random.default_rng(15)
REFERENCE, WINDOW = two_classes(RANDOM, 500), two_classes(RANDOM, 200)[0]


def without(window: Array, reference: tuple[Array, Array] | None = REFERENCE) -> str:
    """Why there is no estimate, the same for each metric."""
    labelled = None if reference is None else Labelled(scores=scores_of(reference[0]), labels=texts(reference[1]))
    found = estimate(labelled, scores_of(window), positive="yes")
    assert {one.metric for one in found.metrics} == set(METRICS["binary"])
    assert all(one.value is None and one.low is None for one in found.metrics)
    (why,) = {one.why for one in found.metrics}
    return why


def with_nan(values: Array) -> Array:
    return np.where(np.arange(len(values)) == 3, np.nan, values)


@pytest.mark.parametrize("rows", [0, 1, 29])
def test_a_window_of_few_rows_has_no_estimate(rows: int) -> None:
    assert without(WINDOW[:rows]) == f"the window has {rows} rows, and 30 are needed"


def test_thirty_rows_have_one() -> None:
    found = estimated(REFERENCE, WINDOW[:30]).of("accuracy")
    assert found is not None
    assert found.value is not None


def test_without_a_reference_there_is_no_estimate() -> None:
    assert without(WINDOW, None) == "what the champion said of its test rows is not kept"


def test_a_reference_of_few_rows_gives_no_estimate() -> None:
    assert "tested on 99 rows" in without(WINDOW, (REFERENCE[0][:99], REFERENCE[1][:99]))


def test_a_reference_of_one_class_gives_no_estimate() -> None:
    assert "0 test rows are of the rarer class" in without(WINDOW, (REFERENCE[0], np.zeros(500, dtype=bool)))


def test_a_reference_of_several_classes_that_has_only_one_gives_no_estimate() -> None:
    chance, _ = three_classes(np.random.default_rng(0), 300)
    found = estimated((chance, np.zeros(300, dtype=int)), chance)
    assert {one.why for one in found.metrics} == {"the test rows are all of one class"}


def test_probabilities_that_are_no_numbers_give_no_estimate() -> None:
    assert without(with_nan(WINDOW)) == "a probability is no number in 1 of 200 rows of the window"
    assert without(WINDOW, (with_nan(REFERENCE[0]), REFERENCE[1])) == "a probability is no number in 1 of 500 rows of the test rows"


def test_a_model_without_probabilities_has_no_estimate() -> None:
    labelled = Labelled(scores=scores_of(REFERENCE[0]), labels=texts(REFERENCE[1]))
    bare = Scores(classes=("no", "yes"), said=scores_of(WINDOW).said, probabilities=None)
    assert {one.why for one in estimate(labelled, bare, positive="yes").metrics} == {"the champion gives no probabilities"}


def test_other_classes_than_those_of_the_test_give_no_estimate() -> None:
    labelled = Labelled(scores=scores_of(REFERENCE[0]), labels=texts(REFERENCE[1]))
    other = Scores(classes=("maybe", "yes"), said=scores_of(WINDOW).said, probabilities=scores_of(WINDOW).probabilities)
    assert "other classes" in estimate(labelled, other, positive="yes").metrics[0].why


def test_a_window_that_is_expected_to_be_of_one_class_has_accuracy_and_no_roc_auc() -> None:
    found = estimated(REFERENCE, np.full(100, 0.001))
    assert {one.metric for one in found.metrics if one.value is None} == {"roc_auc", "balanced_accuracy", "f1"}
    auc = found.of("roc_auc")
    assert auc is not None
    assert "rows of the rarer class are expected, and 5 are needed" in auc.why


@pytest.mark.filterwarnings("error")
def test_a_perfect_model_and_probabilities_of_zero_and_one_give_finite_numbers() -> None:
    labels = np.arange(400) % 3 == 0
    found = estimated((labels.astype(float), labels), labels.astype(float))
    for one in found.metrics:
        assert one.value is not None
        assert np.isfinite([one.value, one.low, one.high, one.sampling_error, one.model_error]).all()
    accuracy = found.of("accuracy")
    assert accuracy is not None
    assert (accuracy.value or 0) > 0.99
