"""A recipe gives a tested model and a twin; how far they agree is asked where both have learnt."""

import numpy as np
import pandas as pd
import pytest

from ml.jobs import train as jobs
from ml.settings import Settings
from ml.training.evaluation import Predicted
from ml.training.making import agreement
from ml.training.results import GateVerdict
from tests.training.worlds import accept, declare, visits, with_mlflow

FOREST = {"name": "forest", "class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 40}}


def test_a_model_that_learns_by_heart_is_not_held_for_another_one(settings: Settings) -> None:
    spec = declare(with_mlflow(settings), training={"candidates": [FOREST]})
    noisy = visits(600)
    drawn = np.random.default_rng(1).random(len(noisy)) < 0.3
    noisy.loc[drawn, "bought"] = np.where(noisy.loc[drawn, "bought"] == "yes", "no", "yes")
    accept(settings, spec, noisy, batch="a" * 32)
    result = jobs.train(settings, "shop")
    assert result.metrics["accuracy"] < 0.8
    assert result.promoted, result.verdict
    agreed = jobs.gate(settings, run=result.run).agreement
    assert agreed is not None
    assert agreed > 0.8


@pytest.mark.parametrize(("second", "expected"), [([1.0, 2.0, 3.0], 1.0), ([3.0, 2.0, 1.0], 0.0), ([1.5, 2.0, 2.5], 0.75)])
def test_numbers_agree_by_what_is_left_of_the_variance(second: list[float], expected: float) -> None:
    first = Predicted(np.array([1.0, 2.0, 3.0]), None)
    assert agreement(first, Predicted(np.array(second), None), task="regression") == pytest.approx(expected)


def test_labels_agree_by_their_share() -> None:
    first, second = (Predicted(np.array(labels, dtype=object), None) for labels in (["a", "b", "a", "a"], ["a", "b", "b", "a"]))
    assert agreement(first, second, task="binary") == 0.75
    nothing = Predicted(pd.Series([], dtype=object).to_numpy(), None)
    assert agreement(nothing, nothing, task="binary") == 1.0


def test_a_verdict_of_before_the_tests_is_still_read() -> None:
    before = {
        "run": "r",
        "candidate": "logistic",
        "params": {},
        "wins": True,
        "sentence": "It won.",
        "metric": "roc_auc",
        "rows": 60,
        "gain": 0.1,
        "minimum_gain": 0.0,
        "challenger": {"roc_auc": 0.9},
        "champion": None,
        "champion_version": None,
        "baseline": {"roc_auc": 0.5},
        "mlflow_run": "m",
        "logged_model": "l",
        "model_sha256": "s",
    }
    verdict = GateVerdict.model_validate(before)
    assert verdict.metrics == {"roc_auc": 0.9}
    assert (verdict.question, verdict.comparison, verdict.agreement) == ("first model", None, None)
