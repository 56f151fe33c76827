"""An ensemble is a candidate like the others, made of whole pipelines."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.errors import CandidateError
from ml.spec import ModelSpec
from ml.training import ensembles
from ml.training.evaluation import predict
from ml.training.fitting import fit, out_of_fold
from ml.training.folds import folds
from tests.training.worlds import LOGISTIC, RIDGE, TREE, spec_of, visits

BOOSTED = {"name": "boosted", "class": "xgboost.XGBClassifier", "params": {"n_estimators": 10}}
GRADIENT = {"name": "gradient", "class": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 5}}
BOTH = [
    {"name": "blend", "combine": "voting", "members": ["logistic", "boosted", "gradient"]},
    {"name": "stack", "combine": "stacking", "members": ["logistic", "boosted", "gradient"]},
]
MEMBERS = {"members": {"logistic": {"max_iter": 500}, "boosted": {"n_estimators": 10}, "gradient": {"max_iter": 5}}}
FEATURES = {"numeric": ["age", "spent"], "categorical": ["city"], "text": ["mood"]}


def of(*candidates: dict[str, Any], **changes: Any) -> ModelSpec:
    training = {"candidates": list(candidates or (LOGISTIC, BOOSTED, GRADIENT)), "ensembles": BOTH, **changes.pop("training", {})}
    return spec_of(**{"features": FEATURES, "training": training, **changes})


def chances(spec: ModelSpec, name: str, params: dict[str, Any], rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    found = predict(fit(spec, name, params, rows), rows, task=spec.task)
    assert found.probabilities is not None
    return found.probabilities.to_numpy()


def test_a_vote_is_the_mean_of_its_members() -> None:
    spec, rows = of(), visits(300)
    alone = [chances(spec, name, params, rows) for name, params in MEMBERS["members"].items()]
    np.testing.assert_allclose(chances(spec, "blend", MEMBERS, rows), np.mean(alone, axis=0))


def test_a_member_that_failed_may_be_left_out_while_two_remain() -> None:
    spec, rows = of(), visits(200)
    two = {name: MEMBERS["members"][name] for name in ("logistic", "boosted")}
    alone = [chances(spec, name, params, rows) for name, params in two.items()]
    np.testing.assert_allclose(chances(spec, "blend", {"members": two}, rows), np.mean(alone, axis=0))
    with pytest.raises(
        CandidateError, match="ensemble 'blend': of its members logistic, boosted, gradient only logistic can be used, and it needs two"
    ):
        fit(spec, "blend", {"members": {"logistic": {}}}, rows)


def test_a_stacking_learns_whom_to_believe() -> None:
    rows = visits(600)
    chance = {"name": "chance", "class": "sklearn.dummy.DummyClassifier", "params": {"strategy": "uniform"}}
    stack = [{"name": "stack", "combine": "stacking", "members": ["logistic", "chance"]}]
    spec = of(LOGISTIC, chance, training={"ensembles": stack})
    params = {"members": {"logistic": {"max_iter": 500}, "chance": {"strategy": "uniform"}}}
    found = out_of_fold(spec, "stack", params, rows, folds(rows, spec)).predicted
    assert (found.values == rows["bought"]).mean() > 0.85


@pytest.mark.parametrize("name", ["blend", "stack"])
def test_more_than_ten_classes_keep_their_names(name: str) -> None:
    rows = visits(600)
    rows["bought"] = [str(number + 1) for number in pd.qcut(rows["spent"], 12, labels=False)]
    members = ["tree", "boosted"]
    tree = {**TREE, "params": {"max_depth": 12}}
    both = [{"name": name, "combine": "voting" if name == "blend" else "stacking", "members": members}]
    spec = of(tree, BOOSTED, task="multiclass", positive=None, features={"numeric": ["spent"]}, training={"ensembles": both})
    params = {"members": {"tree": {"max_depth": 12}, "boosted": {"n_estimators": 10}}}
    found = predict(fit(spec, name, params, rows), rows, task="multiclass")
    assert (found.values == rows["bought"]).mean() > 0.9
    assert list(found.probabilities.columns) == sorted({str(number + 1) for number in range(12)})


@pytest.mark.parametrize("combine", ["voting", "stacking"])
def test_numbers_are_combined_too(combine: str) -> None:
    rows = visits(300)
    tree = {"name": "tree", "class": "sklearn.tree.DecisionTreeRegressor"}
    made = [{"name": "both", "combine": combine, "members": ["ridge", "tree"]}]
    spec = of(RIDGE, tree, task="regression", target="paid", positive=None, training={"ensembles": made})
    params = {"members": {"ridge": {"alpha": 1.0}, "tree": {"max_depth": 4}}}
    found = predict(fit(spec, "both", params, rows), rows, task="regression").values
    assert np.corrcoef(found, rows["paid"])[0, 1] > 0.9
    if combine == "voting":
        alone = [predict(fit(spec, name, one, rows), rows, task="regression").values for name, one in params["members"].items()]
        np.testing.assert_allclose(found, np.mean(alone, axis=0))


def test_a_vote_needs_probabilities_and_a_stacking_does_not() -> None:
    spec = of(
        LOGISTIC,
        {"name": "silent", "class": f"{__name__}.Silent"},
        training={
            "ensembles": [
                {"name": "blend", "members": ["logistic", "silent"]},
                {"name": "stack", "combine": "stacking", "members": ["logistic", "silent"]},
            ]
        },
    )
    params: dict[str, Any] = {"members": {"logistic": {}, "silent": {}}}
    with pytest.raises(CandidateError, match=r"Silent of its member 'silent' gives no probabilities, which a vote needs"):
        fit(spec, "blend", params, visits(200))
    assert len(predict(fit(spec, "stack", params, visits(200)), visits(20), task="binary").values) == 20


def test_a_member_that_fails_names_the_ensemble() -> None:
    with pytest.raises(CandidateError, match="ensemble 'blend': voting of logistic, boosted, gradient failed to fit"):
        fit(of(), "blend", {"members": {"logistic": {"C": -1}, "boosted": {}}}, visits(100))


def test_the_inner_parts_of_a_stacking_are_contiguous_in_time() -> None:
    spec = of(time="at")
    rows = visits(300).sample(frac=1, random_state=0)
    ordered = ensembles.ordered(spec, spec.ensemble("stack"), rows)  # type: ignore[arg-type]
    assert ordered["at"].is_monotonic_increasing
    parts = ensembles._parts(spec, ordered)
    for _, held_out in parts:
        assert held_out.tolist() == list(range(held_out[0], held_out[-1] + 1))
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(300))


def test_the_inner_parts_of_a_stacking_keep_groups_whole() -> None:
    rows = visits(300).assign(customer=np.arange(300) // 3)
    for time in (None, "at"):
        for train, held_out in ensembles._parts(of(group="customer", time=time), rows):
            assert not {*rows["customer"].iloc[train]} & {*rows["customer"].iloc[held_out]}


def test_the_rows_places_do_not_stay_in_the_model() -> None:
    fitted = fit(of(), "stack", MEMBERS, visits(200)).named_steps["model"]
    assert fitted.estimator.cv == fitted.estimator_.cv == ensembles.STACKING_PARTS


class Silent:
    """A classifier that says labels only."""

    _estimator_type = "classifier"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def set_params(self, **_: Any) -> "Silent":
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags

        return Tags(estimator_type="classifier", target_tags=TargetTags(required=True))

    def fit(self, matrix: Any, labels: Any) -> "Silent":
        self.commonest_ = np.bincount(labels).argmax()
        return self

    def predict(self, matrix: Any) -> Any:
        return np.full(matrix.shape[0], self.commonest_)
