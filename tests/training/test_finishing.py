"""Calibration and threshold are chosen on rows that no model had seen, and only if that pays."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import FixedThresholdClassifier

from ml.spec import ModelSpec
from ml.training import calibration
from ml.training.calibration import Calibration
from ml.training.evaluation import Predicted, predict
from ml.training.finishing import MINIMUM_ROWS, FinishedClassifier, Finishing, finish, finished
from ml.training.fitting import fit
from tests.training.worlds import RIDGE, spec_of, visits


def of(**training: Any) -> ModelSpec:
    return spec_of(training=training)


def said(chance: Any, labels: Any = ("no", "yes")) -> Predicted:
    pair = np.column_stack([1 - np.asarray(chance), chance])
    return Predicted(np.array(labels, dtype=object)[(pair[:, 1] > 0.5).astype(int)], pd.DataFrame(pair, columns=list(labels)))


def world(rows: int, *, slope: float = 1.0, seed: int = 0, offset: float = 0.0) -> tuple[Any, Any]:
    """Labels, and probabilities that are right at slope 1 and offset 0, and too bold above 1."""
    rng = np.random.default_rng(seed)
    score = rng.normal(-1, 1.5, rows)
    return np.where(rng.random(rows) < expit(score), "yes", "no"), expit(slope * score + offset)


def several(rows: int, *, slope: float) -> tuple[Any, pd.DataFrame]:
    rng = np.random.default_rng(1)
    scores = rng.normal(0, 1.5, (rows, 4))
    true = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = np.array(list("abcd"))[[rng.choice(4, p=one) for one in true]]
    bold = np.exp(slope * scores) / np.exp(slope * scores).sum(axis=1, keepdims=True)
    return truth, pd.DataFrame(bold, columns=list("abcd"))


def test_probabilities_that_are_right_are_left_alone() -> None:
    made = [finish(of(), *[labels, said(chance)]) for labels, chance in (world(2000, seed=seed) for seed in range(10))]
    assert [one.calibration.method for one in made].count("none") >= 9
    assert "more than noise" in made[0].sentence


def test_a_gain_that_may_be_chance_is_not_taken() -> None:
    made = [finish(of(), *[labels, said(chance)]) for labels, chance in (world(300, slope=1.15, seed=seed) for seed in range(20))]
    assert [one.calibration.method for one in made].count("none") >= 18


def test_probabilities_that_are_too_bold_are_drawn_in() -> None:
    labels, chance = world(3000, slope=3)
    made = finish(of(), labels, said(chance))
    assert made.calibration.method == "sigmoid"
    assert made.calibration.slope == pytest.approx(1 / 3, rel=0.15)
    truth, unseen = world(3000, slope=3, seed=1)
    better = calibration.apply(made.calibration, said(unseen).probabilities.to_numpy(), classes=["no", "yes"])
    assert log_loss(truth == "yes", better[:, 1]) < log_loss(truth == "yes", unseen) - 0.05


def test_sigmoid_is_the_logistic_regression_of_the_logit() -> None:
    labels, chance = world(500, slope=2, offset=1)
    made = finish(of(calibration="sigmoid"), labels, said(chance)).calibration
    expected = LogisticRegression(C=1e9).fit(logit(chance)[:, None], labels == "yes")
    assert (made.slope, made.intercept) == pytest.approx((expected.coef_[0, 0], expected.intercept_[0]), rel=1e-3)


def test_isotonic_is_taken_where_a_slope_is_not_enough_but_not_for_an_order() -> None:
    rng = np.random.default_rng(0)
    chance = rng.random(4000)
    labels = np.where(rng.random(4000) < np.where(chance > 0.5, 0.9, 0.1), "yes", "no")
    steps = spec_of(promotion={"metric": "brier"})
    assert finish(steps, labels, said(chance)).calibration.method == "isotonic"
    assert finish(of(), labels, said(chance)).calibration.method != "isotonic"
    never = calibration.apply(finish(steps, labels, said(chance)).calibration, np.array([[1.0, 0.0], [0.0, 1.0]]), classes=["no", "yes"])
    assert ((never > 0) & (never < 1)).all()


def test_temperature_agrees_with_scikit_learn_and_keeps_the_likeliest() -> None:
    truth, bold = several(1500, slope=2.5)
    spec = spec_of(task="multiclass", positive=None, training={"calibration": "sigmoid"})
    made = finish(spec, truth, Predicted(truth, bold))
    assert made.threshold is None
    found = calibration.apply(made.calibration, bold.to_numpy(), classes=list("abcd"))
    assert (found.argmax(axis=1) == bold.to_numpy().argmax(axis=1)).all()
    wrapped = CalibratedClassifierCV(FrozenEstimator(Given().fit(bold, truth)), method="temperature").fit(bold, truth)
    np.testing.assert_allclose(found, wrapped.predict_proba(bold), atol=1e-3)


def test_isotonic_of_several_classes_sums_to_one() -> None:
    truth, bold = several(1500, slope=2.5)
    spec = spec_of(task="multiclass", positive=None, training={"calibration": "isotonic"})
    found = calibration.apply(finish(spec, truth, Predicted(truth, bold)).calibration, bold.to_numpy(), classes=list("abcd"))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert log_loss(truth, found) < log_loss(truth, bold) - 0.05


@pytest.mark.parametrize(
    ("rows", "positives", "why"),
    [(MINIMUM_ROWS - 1, 40, "they are 99, and 100 are needed"), (MINIMUM_ROWS, 19, "19 are of the rarer class"), (MINIMUM_ROWS, 20, None)],
)
def test_too_few_rows_choose_nothing(rows: int, positives: int, why: str | None) -> None:
    labels = np.array(["yes"] * positives + ["no"] * (rows - positives))
    chance = np.where(labels == "yes", 0.3, 0.2)
    made = finish(of(calibration="auto" if why else "none"), labels, said(chance))
    if why is None:
        assert made.threshold == pytest.approx(0.25)
    else:
        assert (made.threshold, made.calibration.method) == (0.5, "none")
        assert why in made.sentence
        assert finish(of(threshold=0.3), labels, said(chance)).threshold == 0.3


def test_a_probability_that_is_no_number_chooses_nothing() -> None:
    labels, chance = world(500)
    chance[3] = np.nan
    assert "no numbers" in finish(of(), labels, said(chance)).sentence


def test_without_probabilities_and_for_numbers_there_is_nothing_to_finish() -> None:
    assert finish(of(), ["no"], Predicted(np.array(["no"]), None)).threshold is None
    assert finish(spec_of(task="regression", positive=None), [1.0], Predicted(np.array([1.0]), None)) == Finishing(
        sentence="A regression has neither calibration nor threshold."
    )


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "roc_auc"])
def test_the_threshold_is_the_best_by_the_metric_or_else_by_f1(metric: str) -> None:
    from sklearn import metrics

    labels, chance = world(400)
    spec = spec_of(training={"calibration": "none"}, promotion={"metric": metric})
    score = {"accuracy": metrics.accuracy_score, "balanced_accuracy": metrics.balanced_accuracy_score}.get(metric, f1_score)
    found = finish(spec, labels, said(chance)).threshold
    best = max(score(labels == "yes", chance >= place) for place in [*chance, 1.1])
    assert score(labels == "yes", chance >= found) == pytest.approx(best)


@pytest.mark.parametrize(("fp", "fn"), [(1.0, 1.0), (1.0, 9.0), (5.0, 1.0)])
def test_the_threshold_pays_least(fp: float, fn: float) -> None:
    labels, chance = world(20_000)
    spec = of(costs={"false_positive": fp, "false_negative": fn}, calibration="none")
    # Of right probabilities the cheapest threshold is known (Elkan, "The foundations of cost-sensitive learning", 2001).
    assert finish(spec, labels, said(chance)).threshold == pytest.approx(fp / (fp + fn), abs=0.07)


def test_costs_that_never_pay_say_no_to_all() -> None:
    labels, chance = world(1000)
    labels[chance.argsort()[-50:]] = "no"
    threshold = finish(of(costs={"false_positive": 1e6, "false_negative": 1.0}, calibration="none"), labels, said(chance)).threshold
    assert threshold is not None
    assert not (chance >= threshold).any()


def test_a_declared_threshold_and_no_calibration_are_kept() -> None:
    labels, chance = world(500, slope=3)
    made = finish(of(threshold=0.7, calibration="none"), labels, said(chance))
    assert (made.threshold, made.calibration) == (0.7, Calibration())


def test_a_model_that_orders_the_wrong_way_is_not_turned_round() -> None:
    labels, chance = world(1000)
    assert finish(of(calibration="sigmoid"), labels, said(1 - chance)).calibration.method == "none"


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_a_finished_model_decides_as_scikit_learn_does(positive: str) -> None:
    spec = spec_of(positive=positive)
    rows = visits(300)
    pipeline = fit(spec, "logistic", {}, rows)
    done = finished(pipeline, spec, Finishing(threshold=0.8))
    expected = FixedThresholdClassifier(FrozenEstimator(pipeline), threshold=0.8, pos_label=positive, response_method="predict_proba")
    np.testing.assert_array_equal(done.predict(rows), expected.predict(rows))
    np.testing.assert_array_equal(done.predict_proba(rows), pipeline.predict_proba(rows))
    found = predict(done, rows, task="binary")
    assert found.values.tolist() == done.predict(rows).tolist() != pipeline.predict(rows).tolist()


def test_a_finished_model_gives_calibrated_probabilities_and_survives_json() -> None:
    spec, rows = of(), visits(300)
    pipeline = fit(spec, "logistic", {}, rows)
    made = Finishing(calibration=Calibration(method="sigmoid", slope=0.5, intercept=1.0), threshold=0.5)
    done = finished(pipeline, spec, Finishing.model_validate_json(made.model_dump_json()))
    expected = expit(0.5 * logit(pipeline.predict_proba(rows)[:, 1]) + 1)
    np.testing.assert_allclose(done.predict_proba(rows)[:, 1], expected)
    assert ((expected >= 0.5) == (done.predict(rows) == "yes")).all()


def test_a_model_of_several_classes_says_the_likeliest() -> None:
    spec = spec_of(task="multiclass", target="mood", positive=None)
    rows = visits(200)
    pipeline = fit(spec, "logistic", {}, rows)
    found = predict(finished(pipeline, spec, Finishing(calibration=Calibration(method="temperature", slope=2.0))), rows, task="multiclass")
    assert found.values.tolist() == pipeline.predict(rows).tolist()


def test_without_probabilities_the_pipeline_stays_itself() -> None:
    spec = spec_of(task="regression", target="paid", positive=None, training={"candidates": [RIDGE]})
    pipeline = fit(spec, "ridge", {}, visits(100))
    assert finished(pipeline, spec, Finishing()) is pipeline
    assert isinstance(finished(fit(of(), "logistic", {}, visits(100)), of(), Finishing()), FinishedClassifier)


class Given(LogisticRegression):  # type: ignore[misc]
    """Says the probabilities that it is given."""

    def predict_proba(self, table: Any) -> Any:
        return np.asarray(table)

    def decision_function(self, table: Any) -> Any:
        return np.log(np.asarray(table))
