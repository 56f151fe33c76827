"""Any class by its dotted path; what is wrong with one is said with its cure."""

import pickle
from typing import Any

import pytest

from ml.errors import CandidateError
from ml.training.candidates import THREADS, build, class_paths
from tests.training.worlds import LOGISTIC, TREE, XGBOOST, spec_of


def made(path: str, task: str = "binary", **params: Any) -> Any:
    content = {"candidates": [{"name": "one", "class": path, "params": params}], "seed": 7}
    other = {} if task == "binary" else {"task": task, "positive": None}
    spec = spec_of(training=content, **other)
    return build(spec, spec.candidate("one"), params)


def test_the_seed_and_few_threads_are_given_where_the_class_takes_them() -> None:
    forest = made("sklearn.ensemble.RandomForestClassifier", n_estimators=5)
    assert (forest.random_state, forest.n_jobs, forest.n_estimators) == (7, THREADS, 5)
    assert made("xgboost.XGBClassifier").random_state == 7
    assert made("sklearn.naive_bayes.GaussianNB") is not None


def test_what_is_declared_wins() -> None:
    forest = made("sklearn.ensemble.RandomForestClassifier", random_state=1, n_jobs=1)
    assert (forest.random_state, forest.n_jobs) == (1, 1)


def test_the_deprecated_threads_of_linear_models_are_left_alone() -> None:
    assert made("sklearn.linear_model.LogisticRegression").n_jobs is None


@pytest.mark.parametrize(
    ("path", "params", "task", "said"),
    [
        ("sklearn.nowhere.Model", {}, "binary", "cannot be imported"),
        ("sklearn.linear_model.Nothing", {}, "binary", "cannot be imported"),
        ("sklearn.linear_model.LogisticRegression", {"depth": 3}, "binary", "does not take depth=3"),
        ("sklearn.linear_model.Ridge", {}, "binary", "is not a classifier"),
        ("sklearn.linear_model.LogisticRegression", {}, "regression", "is not a regressor"),
        ("pathlib.Path", {}, "binary", "is not a classifier"),
    ],
)
def test_a_candidate_that_cannot_be_used_is_named_with_the_cure(path: str, params: dict[str, Any], task: str, said: str) -> None:
    with pytest.raises(CandidateError, match="candidate 'one'") as caught:
        made(path, task, **params)
    assert said in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_ensemble_is_made_of_the_classes_of_its_members() -> None:
    content = {"candidates": [LOGISTIC, XGBOOST, TREE], "ensembles": [{"name": "both", "members": ["tree", "xgboost"]}]}
    spec = spec_of(training=content)
    assert class_paths(spec, "both") == ("sklearn.tree.DecisionTreeClassifier", "xgboost.XGBClassifier")
    assert class_paths(spec, "logistic") == ("sklearn.linear_model.LogisticRegression",)
