"""Tuning is seeded, stays in its ranges, and says which candidate failed and why."""

from typing import Any

import pytest

from ml.errors import CandidateError
from ml.settings import Settings
from ml.training import dataset
from ml.training.tuning import Tuned, tune
from tests.training.worlds import LOGISTIC, NOW, RIDGE, XGBOOST, accept, declare, visits


def tuned(settings: Settings, candidate: dict[str, Any], **changes: Any) -> Tuned:
    training = {"candidates": [candidate], "trials": 4}
    spec = declare(settings, training=training, **changes)
    version = accept(settings, spec, visits(300), batch="a" * 32)
    return tune(spec, spec.training.candidates[0], dataset.read(settings, spec, version=version, as_of=NOW))


def test_a_candidate_without_a_search_is_fitted_once(settings: Settings) -> None:
    found = tuned(settings, LOGISTIC)
    assert len(found.trials) == 1
    assert found.best.params == {"max_iter": 500}
    assert found.best.value == found.best.metrics["roc_auc"] > 0.9


def test_the_same_seed_tries_the_same_parameters_with_the_same_results(settings: Settings) -> None:
    space = {"C": {"kind": "float", "low": 0.001, "high": 10.0, "log": True}, "fit_intercept": {"kind": "choice", "values": [True, False]}}
    first, second = (tuned(settings, {**LOGISTIC, "search": space}) for _ in range(2))
    assert [(one.params, one.metrics) for one in first.trials] == [(one.params, one.metrics) for one in second.trials]
    assert all(0.001 <= one.params["C"] <= 10 and one.params["max_iter"] == 500 for one in first.trials)
    assert len({one.params["C"] for one in first.trials}) == 4
    assert first.best.value == max(one.value for one in first.trials)


def test_whole_numbers_are_searched_within_both_ends(settings: Settings) -> None:
    assert {one.params["max_depth"] for one in tuned(settings, XGBOOST).trials} <= {1, 2, 3}


def test_the_lowest_error_is_the_best(settings: Settings) -> None:
    candidate = {**RIDGE, "search": {"alpha": {"kind": "float", "low": 0.1, "high": 1e6, "log": True}}}
    found = tuned(settings, candidate, task="regression", target="paid", positive=None)
    assert found.best.value == min(one.value for one in found.trials)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ({"name": "svm", "class": "sklearn.svm.LinearSVC"}, "gives no probabilities, which roc_auc needs"),
        ({"name": "bad", "class": "sklearn.linear_model.LogisticRegression", "params": {"C": -1.0}}, "failed to fit with {'C': -1.0}"),
    ],
)
def test_a_candidate_that_cannot_be_fitted_or_measured_says_why(settings: Settings, candidate: dict[str, Any], said: str) -> None:
    with pytest.raises(CandidateError, match=f"candidate '{candidate['name']}'") as caught:
        tuned(settings, candidate)
    assert said in str(caught.value)


def test_each_finished_trial_is_told(settings: Settings) -> None:
    space = {"C": {"kind": "float", "low": 0.01, "high": 10.0, "log": True}}
    spec = declare(settings, training={"candidates": [{**LOGISTIC, "search": space}], "trials": 3})
    version = accept(settings, spec, visits(300), batch="a" * 32)
    said: list[str] = []
    tune(spec, spec.training.candidates[0], dataset.read(settings, spec, version=version, as_of=NOW), on_progress=said.append)
    assert [line.split(",")[0] for line in said] == [f"logistic: trial {number} of 3" for number in (1, 2, 3)]
