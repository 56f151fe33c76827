"""Tuning is seeded, stays in its ranges, goes on after a kill as if there had been none, and says which candidate failed and why."""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from ml.errors import CandidateError
from ml.spec import LOWER_IS_BETTER, Choice, ModelSpec
from ml.training import search
from ml.training.dataset import Dataset
from ml.training.results import Trial
from ml.training.split import split
from ml.training.tuning import Tuned, evaluate, tune
from tests.training.worlds import LOGISTIC, RIDGE, TREE, spec_of, visits

SPACE = {
    "C": {"kind": "float", "low": 0.001, "high": 10.0, "log": True},
    "fit_intercept": {"kind": "choice", "values": [True, False]},
    "max_iter": {"kind": "int", "low": 50, "high": 500},
}
SEARCHED = {**LOGISTIC, "search": SPACE}
GRID = {**LOGISTIC, "search": {name: SPACE[name] for name in ("C", "fit_intercept")}}
REGRESSION = {"task": "regression", "target": "paid", "positive": None}


@lru_cache
def rows(count: int = 300) -> Any:
    frame = visits(count)
    return frame.assign(_batch="a" * 32, _row=range(1, count + 1))


def dataset(spec: ModelSpec, count: int = 300) -> Dataset:
    return Dataset(rows(count), split(rows(count), spec))


def tuned(candidate: dict[str, Any], *, training: dict[str, Any] | None = None, count: int = 300, **changes: Any) -> Tuned:
    asked = {key: changes.pop(key) for key in ("earlier", "first", "on_trial", "on_progress") if key in changes}
    spec = spec_of(training={"candidates": [candidate], "trials": 4, **(training or {})}, **changes)
    return tune(spec, candidate["name"], dataset(spec, count), **asked)


def essence(trials: Sequence[Trial]) -> list[Trial]:
    """All but the seconds."""
    return [trial.model_copy(update={"seconds": 0.0}) for trial in trials]


def test_a_candidate_without_a_search_is_tried_once() -> None:
    found = tuned(LOGISTIC)
    assert len(found.trials) == 1
    assert found.best.params == {"max_iter": 500}
    assert len(found.best.fold_values) == 3
    assert found.best.value == found.best.metrics["roc_auc"] == pytest.approx(np.mean(found.best.fold_values))  # type: ignore[arg-type]
    assert found.best.value > 0.9


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_same_seed_tries_the_same_parameters_with_the_same_results(sampler: str) -> None:
    first, second = (tuned(GRID, training={"sampler": sampler}) for _ in range(2))
    assert essence(first.trials) == essence(second.trials)
    other = tuned(GRID, training={"sampler": sampler, "seed": 7})
    assert [one.params for one in other.trials] != [one.params for one in first.trials]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_what_is_tried_stays_in_the_declared_ranges(sampler: str) -> None:
    found = tuned(SEARCHED, training={"sampler": sampler, "trials": 6})
    assert all(0.001 <= one.params["C"] <= 10 for one in found.trials)
    assert len({one.params["C"] for one in found.trials}) == 6
    assert {type(one.params["fit_intercept"]) for one in found.trials} == {bool}
    assert all(isinstance(one.params["max_iter"], int) and 50 <= one.params["max_iter"] <= 500 for one in found.trials)
    assert found.best.value == max(one.value for one in found.trials if one.state == "complete" and one.value is not None)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_search_that_was_killed_at_any_trial_goes_on_as_if_it_had_not_been(sampler: str) -> None:
    candidate = {
        **TREE,
        "search": {"max_depth": {"kind": "int", "low": 1, "high": 12}, "ccp_alpha": {"kind": "float", "low": 0, "high": 0.3}},
    }
    training = {"sampler": sampler, "trials": 14}
    first = {"max_depth": 1, "ccp_alpha": 0.3}
    whole = tuned(candidate, training=training, first=first)
    assert "pruned" in {one.state for one in whole.trials}
    for kept in range(1, len(whole.trials) + 1):
        stored = [Trial.model_validate_json(one.model_dump_json()) for one in whole.trials[:kept]]
        made: list[Trial] = []
        again = tuned(candidate, training=training, first=first, earlier=stored[::-1], on_trial=made.append)
        assert essence(again.trials) == essence(whole.trials)
        assert [one.number for one in made] == list(range(kept, len(whole.trials)))


def test_tpe_learns_from_the_trials_before() -> None:
    """With the best value at one end of the range, later trials are nearer to it than random ones."""
    candidate = {**RIDGE, "search": {"alpha": {"kind": "float", "low": 0.1, "high": 1e6, "log": True}}}
    late = {}
    for sampler in ("tpe", "random"):
        training = {"sampler": sampler, "trials": 40, "pruning": False}
        found = tuned(candidate, training=training, **REGRESSION)
        late[sampler] = np.mean([np.log10(one.params["alpha"]) for one in found.trials[10:]])
    assert late["tpe"] < late["random"] - 0.5


def test_a_trial_whose_number_is_missing_and_all_after_it_are_made_again() -> None:
    whole = tuned(SEARCHED)
    made: list[int] = []
    again = tuned(SEARCHED, earlier=[whole.trials[0], whole.trials[2]], on_trial=lambda one: made.append(one.number))
    assert made == [1, 2, 3]
    assert essence(again.trials) == essence(whole.trials)


def test_a_trial_read_back_from_its_text_is_the_same_to_the_last_bit() -> None:
    numbers = [0.1 + 0.2, 1e-300, 5e-324, 1 / 3, 2.0, 1.7976931348623157e308]
    params = {f"p{place}": number for place, number in enumerate(numbers)} | {"flag": True, "one": 1, "none": None, "text": "ü"}
    trial = Trial(number=0, params=params, value=1 / 3, fold_values=(None, 2 / 3), metrics={"f1": 0.1}, seconds=0.5, state="complete")
    again = Trial.model_validate_json(trial.model_dump_json())
    assert again == trial
    assert [type(one) for one in again.params.values()] == [type(one) for one in params.values()]


@pytest.mark.parametrize("metric", ["mae", "r2"])
def test_the_best_is_the_lowest_error_or_the_highest_score(metric: str) -> None:
    candidate = {**RIDGE, "search": {"alpha": {"kind": "float", "low": 0.1, "high": 1e6, "log": True}}}
    found = tuned(candidate, **REGRESSION, promotion={"metric": metric})
    pick = min if metric in LOWER_IS_BETTER else max
    assert found.best.value == pick(one.value for one in found.trials if one.value is not None)


def test_a_grid_tries_every_combination_once_and_three_values_of_each_range() -> None:
    tried = [(round(one.params["C"], 6), one.params["fit_intercept"]) for one in tuned(GRID, training={"sampler": "grid"}).trials]
    assert sorted(tried) == list(itertools.product([0.001, 0.1, 10.0], [False, True]))
    assert tried != sorted(tried)


def test_a_narrow_whole_range_has_as_many_grid_values_as_it_has_numbers() -> None:
    candidate = {**TREE, "search": {"max_depth": {"kind": "int", "low": 1, "high": 2}}}
    assert sorted(one.params["max_depth"] for one in tuned(candidate, training={"sampler": "grid"}).trials) == [1, 2]


def test_a_grid_that_is_too_large_is_refused_with_its_size() -> None:
    space = {name: {"kind": "choice", "values": list(range(11))} for name in ("a", "b", "c")}
    with pytest.raises(CandidateError, match=r"its grid has 1,331 combinations .*at most 1,000 .*sampler: tpe"):
        tuned({**LOGISTIC, "search": space}, training={"sampler": "grid"})


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_champion_s_parameters_are_tried_first(sampler: str) -> None:
    found = tuned(GRID, training={"sampler": sampler}, first={"C": 0.1 + 0.2, "fit_intercept": False, "unknown": 3})
    assert found.trials[0].params == {"C": 0.1 + 0.2, "fit_intercept": False, "max_iter": 500}
    assert len(found.trials) == (7 if sampler == "grid" else 4)


def test_the_champion_s_parameters_on_the_grid_are_tried_once() -> None:
    found = tuned(GRID, training={"sampler": "grid"}, first={"C": 10.0, "fit_intercept": True})
    assert found.trials[0].params == {"C": 10.0, "fit_intercept": True, "max_iter": 500}
    assert len(found.trials) == 6


def test_the_champion_s_parameters_are_moved_into_the_ranges_and_those_that_are_no_choice_are_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO"):
        found = tuned(SEARCHED, first={"C": 1e9, "fit_intercept": 1, "max_iter": "many"})
    params = found.trials[0].params
    assert params["C"] == 10.0
    assert isinstance(params["fit_intercept"], bool)
    assert 50 <= params["max_iter"] <= 500
    assert [line.split(" candidate=")[0] for line in caplog.messages if line.startswith("first")] == [
        "first trial: moved into its range",
        "first trial: not a choice",
        "first trial: not a number",
    ]


def test_a_list_is_a_choice_and_not_one_of_others_that_python_calls_equal() -> None:
    space = Choice(values=([1, True], [1, 1], [1.0, 1]))
    assert [search._place(space, one) for one in ([1, 1], [1.0, 1], [1, True], [True, 1], [1])] == [1, 2, 0, None, None]


def test_a_range_upside_down_is_the_candidate_s_fault() -> None:
    with pytest.raises(CandidateError, match=r"candidate 'logistic': search.C: .*Correct its low and high"):
        tuned({**LOGISTIC, "search": {"C": {"kind": "float", "low": 2, "high": 1}}})


def test_after_the_time_limit_no_trial_is_started_but_one_is_made() -> None:
    said: list[str] = []
    found = tuned(SEARCHED, training={"time_limit": "0s", "trials": 50}, on_progress=said.append)
    assert len(found.trials) == 1
    assert said[-1] == "logistic: its time limit is over after 1 of 50 trials"


def test_the_time_of_trials_before_a_kill_counts_too() -> None:
    spent = tuned(SEARCHED).trials[0].model_copy(update={"seconds": 3600.0})
    assert len(tuned(SEARCHED, training={"time_limit": "1h"}, earlier=[spent]).trials) == 1
    assert len(tuned(SEARCHED, training={"time_limit": "2h"}, earlier=[spent]).trials) == 4


@pytest.mark.parametrize(("training", "has_pruned"), [({}, True), ({"pruning": False}, False), ({"folds": 1}, False)])
def test_a_trial_that_is_worse_than_the_median_after_its_first_folds_is_given_up(training: dict[str, Any], has_pruned: bool) -> None:
    candidate = {**TREE, "search": {"ccp_alpha": {"kind": "float", "low": 0.0, "high": 0.5}}}
    said: list[str] = []
    found = tuned(candidate, training={"trials": 20, "sampler": "random", **training}, on_progress=said.append)
    pruned = [one for one in found.trials if one.state == "pruned"]
    assert bool(pruned) == has_pruned
    assert all(len(one.fold_values) < 3 and one.number >= 4 for one in pruned)
    assert any("given up after 1 of 3 folds" in line for line in said) == has_pruned
    assert found.best.state == "complete"


class Moody(LogisticRegression):  # type: ignore[misc]
    """Fails with weak regularisation."""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        if self.C > 1:
            raise RuntimeError("not in the mood")
        return super().fit(*args, **kwargs)


class Silent(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Says a class and not how sure it is."""

    def fit(self, matrix: Any, labels: Any) -> Any:
        self.classes_ = np.unique(labels)
        return self

    def predict(self, matrix: Any) -> Any:
        return np.full(matrix.shape[0], self.classes_[0])


def test_a_trial_that_fails_is_recorded_and_the_others_go_on() -> None:
    said: list[str] = []
    candidate = {**SEARCHED, "class": f"{__name__}.Moody"}
    found = tuned(candidate, first={"C": 2.0}, on_progress=said.append)
    assert (found.trials[0].state, found.trials[0].value) == ("failed", None)
    assert "not in the mood" in str(found.trials[0].reason)
    assert len(found.trials) == 4
    assert found.best.params["C"] <= 1
    assert said[0].startswith("logistic: trial 1 of 4, failed: candidate 'logistic'")


def test_a_candidate_all_of_whose_trials_fail_has_failed_with_the_last_reason() -> None:
    candidate = {**LOGISTIC, "class": f"{__name__}.Moody", "search": {"C": {"kind": "float", "low": 2, "high": 3}}}
    with pytest.raises(CandidateError, match=r"candidate 'logistic': none of its 4 trials succeeded\. .*not in the mood"):
        tuned(candidate)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ({"name": "silent", "class": f"{__name__}.Silent"}, "gives no probabilities, which roc_auc needs"),
        ({"name": "bad", "class": "sklearn.linear_model.LogisticRegression", "params": {"C": -1.0}}, "failed to fit with {'C': -1.0}"),
        ({"name": "gone", "class": "sklearn.nowhere.Thing"}, "cannot be imported"),
        ({"name": "odd", "class": "sklearn.linear_model.LogisticRegression", "params": {"colour": 1}}, "does not take colour=1"),
        ({"name": "other", "class": "sklearn.linear_model.Ridge"}, "is not a classifier, as task: binary needs"),
    ],
)
def test_a_candidate_that_cannot_be_used_is_named_with_the_reason(candidate: dict[str, Any], said: str) -> None:
    with pytest.raises(CandidateError, match=f"candidate '{candidate['name']}'") as caught:
        tuned(candidate)
    assert said in str(caught.value)


def test_a_fold_that_does_not_define_the_metric_is_passed_over() -> None:
    spec = spec_of(time="at", training={"candidates": [LOGISTIC]})
    frame = rows().copy()
    frame.loc[60:119, "bought"] = "no"  # the first validation part
    found = tune(spec, "logistic", Dataset(frame, split(frame, spec))).best
    assert found.fold_values[0] is None
    assert found.value == pytest.approx(np.mean([one for one in found.fold_values if one is not None]))
    assert found.metrics["accuracy"] > 0


def test_a_metric_that_no_fold_defines_is_said() -> None:
    spec = spec_of(time="at", training={"candidates": [LOGISTIC]})
    frame = rows().copy()
    frame.loc[60:, "bought"] = "no"
    with pytest.raises(CandidateError, match=r"candidate 'logistic'.*roc_auc is not defined on the validation rows of any fold"):
        tune(spec, "logistic", Dataset(frame, split(frame, spec)))


def test_no_tuning_sees_the_test_rows() -> None:
    spec = spec_of(time="at", training={"candidates": [LOGISTIC]})
    other = rows().copy()
    parts = split(other, spec)
    other.loc[parts.test, "bought"] = "yes"
    first, second = (tune(spec, "logistic", Dataset(frame, parts)).best for frame in (rows(), other))
    assert essence([first]) == essence([second])


def test_each_trial_is_told_with_the_best_so_far_and_the_time_left() -> None:
    said: list[str] = []
    found = tuned(SEARCHED, training={"trials": 3}, on_progress=said.append)
    assert [line.split(",")[0] for line in said] == [f"logistic: trial {number} of 3" for number in (1, 2, 3)]
    assert f"roc_auc {found.trials[0].value:.4f}, best {found.trials[0].value:.4f}, " in said[0]
    assert said[0].endswith(" s left")
    assert f"best {found.best.value:.4f}" in said[2]
    assert not said[2].endswith("left")


def test_an_ensemble_is_measured_in_the_folds_of_its_members() -> None:
    ensemble = {"name": "both", "members": ["logistic", "tree"]}
    spec = spec_of(training={"candidates": [LOGISTIC, TREE], "ensembles": [ensemble]})
    members = {name: tune(spec, name, dataset(spec)).best for name in ("logistic", "tree")}
    params = {"members": {name: trial.params for name, trial in members.items()}}
    found = evaluate(spec, "both", params, dataset(spec))
    assert found.params == params
    assert len(found.fold_values) == 3
    assert found.value == pytest.approx(max(float(one.value or 0) for one in members.values()), abs=0.1)
    assert found.metrics.keys() == members["logistic"].metrics.keys()
