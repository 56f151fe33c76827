"""Metrics are the field's own; what rows do not define is left out."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from ml.spec import MEASURED, METRICS
from ml.training.evaluation import gain, measure

RNG = np.random.default_rng(0)


def test_binary_metrics_agree_with_scikit_learn() -> None:
    truth = RNG.random(300) < 0.3
    chance = np.clip(truth * 0.3 + RNG.random(300) * 0.6, 0, 1)
    labels, predictions = np.where(truth, "yes", "no"), np.where(chance > 0.5, "yes", "no")
    found = measure("binary", labels=labels, predictions=predictions, probabilities=pd.Series(chance), positive="yes", further=True)
    assert found == pytest.approx(
        {
            "roc_auc": metrics.roc_auc_score(truth, chance),
            "accuracy": metrics.accuracy_score(labels, predictions),
            "balanced_accuracy": metrics.balanced_accuracy_score(labels, predictions),
            "f1": metrics.f1_score(labels, predictions, pos_label="yes"),
            "log_loss": metrics.log_loss(truth, chance),
            "brier": metrics.brier_score_loss(truth, chance),
            "precision": metrics.precision_score(labels, predictions, pos_label="yes"),
            "recall": metrics.recall_score(labels, predictions, pos_label="yes"),
            "average_precision": metrics.average_precision_score(truth, chance),
        }
    )
    assert tuple(found) == MEASURED["binary"]
    asked = measure("binary", labels=labels, predictions=predictions, probabilities=pd.Series(chance), positive="yes")
    assert tuple(asked) == METRICS["binary"]


def test_multiclass_metrics_agree_with_scikit_learn() -> None:
    labels = RNG.choice(["a", "b", "c"], 200)
    chances = RNG.dirichlet([1, 1, 1], 200)
    predictions = np.array(["a", "b", "c"])[chances.argmax(axis=1)]
    table = pd.DataFrame(chances, columns=["a", "b", "c"])
    predictions[:9] = "never seen"
    assert measure("multiclass", labels=labels, predictions=predictions, probabilities=table, further=True) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, predictions),
            "balanced_accuracy": metrics.recall_score(labels, predictions, average="macro", labels=["a", "b", "c"]),
            "f1": metrics.f1_score(labels, predictions, average="macro", zero_division=0),
            "precision": metrics.precision_score(labels, predictions, average="macro", zero_division=0),
            "recall": metrics.recall_score(labels, predictions, average="macro", zero_division=0),
            "log_loss": metrics.log_loss(labels, chances),
        }
    )


def test_regression_metrics_agree_with_scikit_learn() -> None:
    labels, predictions = RNG.normal(size=100), RNG.normal(size=100)
    assert measure("regression", labels=labels, predictions=predictions) == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(labels, predictions),
            "rmse": metrics.root_mean_squared_error(labels, predictions),
            "r2": metrics.r2_score(labels, predictions),
        }
    )


def test_a_class_that_the_model_does_not_know_had_probability_zero() -> None:
    table = pd.DataFrame({"a": [0.9, 0.5], "b": [0.1, 0.5]})
    found = measure("multiclass", labels=["a", "new"], predictions=["a", "a"], probabilities=table)
    assert found["log_loss"] == pytest.approx((-np.log(0.9) - np.log(1e-15)) / 2)
    assert found["accuracy"] == 0.5


def test_what_the_rows_do_not_define_is_left_out() -> None:
    assert measure("binary", labels=[], predictions=[], positive="yes") == {}
    one_class = measure("binary", labels=["no", "no"], predictions=["no", "yes"], probabilities=pd.Series([0.1, 0.7]), positive="yes")
    assert "roc_auc" not in one_class
    assert one_class["accuracy"] == 0.5
    assert set(measure("regression", labels=[1.0, 1.0], predictions=[1.0, 2.0])) == {"mae", "rmse"}
    assert measure("regression", labels=[1.0, 2.0], predictions=[1.0, np.nan]) == {}
    assert set(measure("binary", labels=["no"], predictions=["no"], positive="yes")) == {"accuracy", "balanced_accuracy", "f1"}


@pytest.mark.parametrize(("labels", "said", "left_out"), [("nn", "ny", "recall"), ("ny", "nn", "precision")])
def test_precision_needs_a_positive_answer_and_recall_a_positive_row(labels: str, said: str, left_out: str) -> None:
    found = measure("binary", labels=list(labels), predictions=list(said), probabilities=pd.Series([0.1, 0.7]), positive="y", further=True)
    assert {"precision", "recall"} - set(found) == {left_out}
    assert ("average_precision" in found) == ("y" in labels)


def test_a_probability_that_is_no_number_defines_nothing_that_needs_it() -> None:
    found = measure("binary", labels=["no", "yes"], predictions=["no", "no"], probabilities=pd.Series([0.1, np.nan]), positive="yes")
    assert not {"roc_auc", "log_loss", "brier"} & set(found)


@pytest.mark.parametrize(("metric", "expected"), [("roc_auc", 0.1), ("accuracy", 0.1), ("mae", -0.1), ("log_loss", -0.1), ("r2", 0.1)])
def test_a_gain_is_positive_when_the_challenger_is_better(metric: str, expected: float) -> None:
    assert gain(metric, challenger=0.6, champion=0.5) == pytest.approx(expected)


def test_a_perfect_log_loss_is_nought_without_a_sign() -> None:
    labels = np.array(["a", "b"])
    found = measure("multiclass", labels=labels, predictions=labels, probabilities=pd.DataFrame({"a": [1.0, 0.0], "b": [0.0, 1.0]}))
    assert str(found["log_loss"]) == "0.0"
