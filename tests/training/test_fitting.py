"""A candidate or ensemble is fitted by its name; what it says of rows that it has not seen is the same by every way."""

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ml.errors import CandidateError
from ml.spec import ModelSpec
from ml.training.evaluation import measure, predict
from ml.training.fitting import fit, fit_prepared, out_of_fold, prepare
from ml.training.folds import Fold, folds
from tests.training.worlds import LOGISTIC, TREE, spec_of, visits

SVM = {"name": "svm", "class": "sklearn.svm.LinearSVC"}
NETWORK = {
    "name": "network",
    "class": "sklearn.neural_network.MLPClassifier",
    "params": {"hidden_layer_sizes": 16, "early_stopping": True, "learning_rate_init": 0.01, "n_iter_no_change": 30},
}
BOOSTED = {"name": "boosted", "class": "xgboost.XGBClassifier", "params": {"n_estimators": 10}}
NEIGHBOURS = {"name": "near", "class": "sklearn.neighbors.KNeighborsClassifier", "params": {"n_neighbors": 50}}
FEATURES = {"numeric": ["age", "spent"], "categorical": ["city"], "text": ["mood"], "datetime": ["at"]}


def of(*candidates: dict[str, Any], **changes: Any) -> ModelSpec:
    training = {"candidates": list(candidates), **changes.pop("training", {})}
    return spec_of(**{"features": FEATURES, "training": training, **changes})


@pytest.mark.parametrize("candidate", [LOGISTIC, BOOSTED], ids=lambda one: one["name"])
def test_a_prepared_fold_gives_what_a_whole_fit_gives(candidate: dict[str, Any]) -> None:
    spec, rows = of(candidate), visits(300)
    fold = folds(rows, spec)[0]
    name, params = candidate["name"], candidate["params"]
    found = fit_prepared(spec, params, prepare(spec, name, rows, fold))
    pipeline = fit(spec, name, params, rows.iloc[fold.train])
    expected = predict(pipeline, rows.iloc[fold.validation][list(spec.features.used)], task="binary")
    assert found.values.tolist() == expected.values.tolist()
    np.testing.assert_allclose(found.probabilities, expected.probabilities)


def test_each_row_is_said_by_a_model_that_has_not_seen_it() -> None:
    spec = of({"name": "one", "class": "sklearn.neighbors.KNeighborsClassifier", "params": {"n_neighbors": 1}})
    rows = visits(300).assign(bought=np.random.default_rng(0).choice(["yes", "no"], 300))
    found = out_of_fold(spec, "one", {"n_neighbors": 1}, rows, folds(rows, spec))
    assert found.positions.tolist() == list(range(300))
    assert 0.4 < (found.predicted.values == rows["bought"]).mean() < 0.6
    assert found.predicted.probabilities.index.equals(rows.index)


def test_a_class_that_was_missing_in_a_training_part_has_probability_zero_there() -> None:
    rows = visits(300).assign(bought=np.repeat(["a", "b", "c"], 100))
    parts = [Fold(np.arange(200), np.arange(200, 300)), Fold(np.arange(100, 300), np.arange(100))]
    spec = of(TREE, task="multiclass", positive=None, time=None)
    found = out_of_fold(spec, "tree", {}, rows, parts).predicted.probabilities
    assert list(found.columns) == ["a", "b", "c"]
    assert (found["c"].to_numpy()[200:] == 0).all()
    assert (found["a"].to_numpy()[:100] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("candidate", [LOGISTIC, BOOSTED], ids=lambda one: one["name"])
def test_a_rare_class_weighs_as_much_as_a_frequent_one_where_that_is_declared(candidate: dict[str, Any]) -> None:
    rows = visits(1200)
    rows = rows[(rows["bought"] == "no") | (rows["visit"].str.endswith("7"))]
    name, params = candidate["name"], candidate["params"]
    found = {}
    for balance in (False, True):
        spec = of(candidate, features={"numeric": ["age"]}, training={"balance": balance})
        found[balance] = (predict(fit(spec, name, params, rows), rows, task="binary").values == "yes").mean()
    assert found[False] < 0.1
    assert found[True] > 0.3


def test_a_class_that_takes_no_weights_is_fitted_without() -> None:
    spec = of(NEIGHBOURS, training={"balance": True})
    assert len(predict(fit(spec, "near", {}, visits(200)), visits(50), task="binary").values) == 50


def test_a_linear_support_vector_machine_orders_rows_by_its_scores() -> None:
    spec, rows = of(SVM), visits(400)
    found = predict(fit(spec, "svm", {}, rows), visits(300, seed=1), task="binary")
    chances = found.probabilities.to_numpy()
    assert ((chances[:, 1] > 0.5) == (found.values == "yes")).all()
    truth = visits(300, seed=1)["bought"]
    assert measure("binary", labels=truth, predictions=found.values, probabilities=found.probabilities, positive="yes")["roc_auc"] > 0.9


def test_a_network_is_a_candidate_like_the_others() -> None:
    spec, rows = of(NETWORK, features={"numeric": ["age", "spent"], "categorical": ["city"]}), visits(600)
    first, second = (predict(fit(spec, "network", NETWORK["params"], rows), rows, task="binary") for _ in range(2))
    assert (first.values == rows["bought"]).mean() > 0.8
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bought": "no"}, "all 100 rows are of one class, 'no'"),
        ({"spent": np.nan, "age": np.nan}, None),
        ({"spent": 1.0, "age": 7, "city": "Rome"}, None),
        ({"spent": [1e308, -1e308] * 50, "age": np.inf}, None),
    ],
)
def test_rows_that_teach_nothing_are_said_or_fitted_sanely(change: dict[str, Any], said: str | None) -> None:
    rows = visits(100).assign(**change)
    for candidate in (LOGISTIC, BOOSTED, SVM):
        spec = of(candidate, features={"numeric": ["age", "spent"], "categorical": ["city"]})
        if said is not None:
            with pytest.raises(CandidateError, match=f"candidate '{candidate['name']}'.*{said}"):
                fit(spec, candidate["name"], {}, rows)
        else:
            found = predict(fit(spec, candidate["name"], {}, rows), visits(20), task="binary")
            assert np.isfinite(found.probabilities.to_numpy()).all()


def test_what_a_foreign_class_raises_names_the_candidate_and_its_parameters() -> None:
    spec = of(LOGISTIC)
    with pytest.raises(
        CandidateError, match=r"candidate 'logistic': sklearn\.linear_model\.LogisticRegression failed to fit with {'C': -1}"
    ):
        fit(spec, "logistic", {"C": -1}, visits(100))
    prepared = prepare(spec, "logistic", visits(100), Fold(np.arange(80), np.arange(80, 100)))
    with pytest.raises(CandidateError, match="does not take depth=3"):
        fit_prepared(spec, {"depth": 3}, prepared)


class Leaving(LogisticRegression):  # type: ignore[misc]
    """Asks Python to end, as code that was once a command does."""

    def fit(self, *_: Any, **__: Any) -> Any:
        sys.exit("no licence")


def test_a_class_that_asks_python_to_end_has_failed_like_any_other() -> None:
    spec = of({"name": "leaving", "class": f"{__name__}.Leaving"})
    with pytest.raises(CandidateError, match=r"candidate 'leaving'.*SystemExit: no licence"):
        fit(spec, "leaving", {}, visits(100))


def test_text_stands_beside_numbers_categories_and_dates() -> None:
    rng = np.random.default_rng(3)
    rows = visits(400)
    rows["mood"] = [f"{word} {rng.choice(['very', 'quite', 'so'])} parcel" for word in np.where(rows["bought"] == "yes", "arived", "lost")]
    rows.loc[rng.random(400) < 0.3, "mood"] = None
    spec = of(LOGISTIC, {"name": "boosted", "class": "xgboost.XGBClassifier", "params": {"n_estimators": 20}})
    unseen = pd.DataFrame(
        {"mood": ["it arrived", "it was losst"], "age": [40, 40], "spent": [0.0, 0.0], "city": [None, None], "at": [None] * 2}
    )
    assert predict(fit(spec, "logistic", {}, rows), unseen, task="binary").values.tolist() == ["yes", "no"]
    found = predict(fit(spec, "boosted", {"n_estimators": 20}, rows), rows, task="binary").values
    assert (found == rows["bought"]).mean() > 0.95
