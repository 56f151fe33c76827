"""A candidate is tuned once, whatever is killed meanwhile; ensembles are made of what was tuned; the others go on."""

import time
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from ml.errors import CandidateError
from ml.jobs import deadline
from ml.jobs import train as jobs
from ml.registry import runs
from ml.registry.client import tracking
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, trainings
from ml.training.results import CandidateResult, Trial
from tests.training.worlds import LOGISTIC, TREE, accept, declare, visits, with_mlflow

SEARCHED = {**LOGISTIC, "search": {"C": {"kind": "float", "low": 0.001, "high": 10.0, "log": True}}}
BAD = {"name": "bad", "class": "sklearn.linear_model.LogisticRegression", "params": {"C": -1.0}}


class Endless(LogisticRegression):  # type: ignore[misc]
    """Does not finish, and like code outside Python cannot be interrupted."""

    def fit(self, *_: Any, **__: Any) -> Any:
        time.sleep(60)


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


@pytest.fixture
def home(settings: Settings) -> Settings:
    return with_mlflow(settings)


def begun(home: Settings, run: str = "one", **training: Any) -> ModelSpec:
    """A declared model with rows, and a run that is frozen."""
    spec = declare(home, training={"candidates": [SEARCHED], "trials": 4, **training})
    accept(home, spec, visits(300), batch="a" * 32)
    jobs.freeze(home, "shop", run=run, trigger="manual")
    return spec


def tuned(home: Settings, run: str = "one", **kwargs: Any) -> CandidateResult:
    return jobs.tune(home, run=run, candidate="logistic", **kwargs)


def told(home: Settings, kind: str) -> list[Any]:
    """The MLflow runs of a kind, in the order of writing."""
    with tracking(home, "shop") as mlflow:
        query = f"tags.`perennial.kind` = '{kind}'"
        return list(mlflow.client.search_runs([mlflow.experiment], filter_string=query, order_by=["attributes.start_time ASC"]))


def trials(home: Settings, result: CandidateResult) -> list[Trial]:
    texts = runs.trials_of(home, "shop", mlflow_run=result.mlflow_run)
    found = sorted((Trial.model_validate_json(text) for text in texts), key=lambda one: one.number)
    return [one.model_copy(update={"seconds": 0.0}) for one in found]


def test_each_trial_is_a_run_below_its_candidate_s_below_the_training_s(home: Settings) -> None:
    begun(home)
    said: list[str] = []
    result = tuned(home, on_progress=said.append)
    assert len(said) == 4
    training, candidate, tried = told(home, "training"), told(home, "candidate"), told(home, "trial")
    assert candidate[0].data.tags["mlflow.parentRunId"] == training[0].info.run_id
    assert {one.data.tags["mlflow.parentRunId"] for one in tried} == {candidate[0].info.run_id} == {result.mlflow_run}
    assert sorted(one.data.tags["mlflow.runName"] for one in tried) == [f"logistic {number}" for number in range(4)]
    best = max(tried, key=lambda one: one.data.metrics["validation_roc_auc"])
    assert best.data.params["model.C"] == str(result.params["C"]) == candidate[0].data.params["model.C"]
    assert candidate[0].data.metrics["validation_roc_auc"] == pytest.approx(result.value)
    assert candidate[0].info.status == "FINISHED"


@pytest.mark.parametrize("killed_at", [0, 2])
@pytest.mark.parametrize("before_it_is_stored", [True, False])
def test_a_killed_tuning_goes_on_and_pays_no_trial_twice(
    home: Settings, monkeypatch: pytest.MonkeyPatch, killed_at: int, before_it_is_stored: bool
) -> None:
    begun(home, "whole")
    whole = tuned(home, "whole")
    jobs.freeze(home, "shop", run="one", trigger="manual")
    save, kept = runs.save_trial, []

    def saved(*args: Any, trial: runs.TrialLog, **kwargs: Any) -> str:
        if trial.number == killed_at and before_it_is_stored:
            raise Killed
        kept.append(trial.number)
        made = save(*args, trial=trial, **kwargs)
        if trial.number == killed_at:
            raise Killed
        return made

    with monkeypatch.context() as patch:
        patch.setattr(runs, "save_trial", saved)
        patch.setattr(runs, "fail_candidate", lambda *_, **__: None)
        with pytest.raises(Killed):
            tuned(home)
        before_it_is_stored, killed_at = False, 99
        result = tuned(home)
    assert kept == [0, 1, 2, 3]
    assert trials(home, result) == trials(home, whole)
    assert (result.params, result.value) == (whole.params, whole.value)
    assert tuned(home) == result


def test_a_result_that_was_not_marked_as_finished_is_written_again_without_a_fit(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(home)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "save_candidate", lambda *_, **__: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            tuned(home)
    with monkeypatch.context() as patch:
        patch.setattr("ml.training.tuning.fit_prepared", lambda *_, **__: pytest.fail("a trial was paid twice"))
        assert tuned(home).trials == 4
    assert len(told(home, "candidate")) == 1


def test_the_champion_s_parameters_are_tried_first(home: Settings) -> None:
    begun(home, sampler="random")
    first = tuned(home)
    jobs.gate(home, run="one")
    jobs.register(home, run="one")
    assert jobs.promote(home, run="one").promoted
    declare(home, training={"candidates": [SEARCHED], "trials": 2, "sampler": "random", "seed": 7})
    jobs.freeze(home, "shop", run="two", trigger="manual")
    found = trials(home, tuned(home, "two"))
    assert found[0].params == first.params
    assert found[1].params != first.params
    other = {**SEARCHED, "class": f"{__name__}.Other"}
    declare(home, training={"candidates": [other], "trials": 1, "sampler": "random", "seed": 7})
    jobs.freeze(home, "shop", run="three", trigger="manual")
    assert trials(home, tuned(home, "three"))[0].params != first.params


class Other(LogisticRegression):  # type: ignore[misc]
    """Has the same name in the declaration as the champion, and is another class."""


def test_a_candidate_that_fails_is_marked_so_and_may_be_tried_again(home: Settings) -> None:
    begun(home, candidates=[BAD])
    for _ in range(2):
        with pytest.raises(CandidateError, match="candidate 'bad'"):
            jobs.tune(home, run="one", candidate="bad")
        assert [(one.info.status) for one in told(home, "candidate")] == ["FAILED"]
    assert [one.info.status for one in told(home, "trial")] == ["FAILED"]
    assert "C" in told(home, "trial")[0].data.tags["mlflow.note.content"]


def test_a_candidate_that_never_finishes_is_ended_and_the_others_go_on(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_GRACE_S", 1.0)
    endless = {"name": "endless", "class": f"{__name__}.Endless"}
    spec = declare(home, training={"candidates": [endless, LOGISTIC], "timeout": "5s"})
    accept(home, spec, visits(300), batch="a" * 32)
    said: list[str] = []
    assert jobs.train(home, "shop", on_progress=said.append).promoted
    assert any("left out: 'endless' was ended: it took longer than training.timeout (5s)" in line for line in said)
    assert {one.data.tags["perennial.candidate"]: one.info.status for one in told(home, "candidate")} == {
        "endless": "FAILED",
        "logistic": "FINISHED",
    }


def test_the_limit_holds_whoever_calls_the_step_and_nothing_stays_running(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_GRACE_S", 0.2)
    monkeypatch.setattr(deadline, "_AGAIN_S", 0.1)
    begun(home, candidates=[{"name": "endless", "class": f"{__name__}.Endless"}], timeout="1s")
    with pytest.raises(CandidateError, match=r"'endless' was ended: it took longer than training\.timeout"):
        jobs.tune(home, run="one", candidate="endless")
    assert [one.info.status for one in told(home, "candidate")] == ["FAILED"]


BOTH = {"name": "both", "members": ["logistic", "tree"]}


def test_an_ensemble_is_made_of_its_members_best_parameters_and_measured_once(home: Settings) -> None:
    begun(home, candidates=[SEARCHED, TREE], ensembles=[BOTH])
    members = {name: jobs.tune(home, run="one", candidate=name).params for name in ("logistic", "tree")}
    result = jobs.combine(home, run="one", ensemble="both")
    assert result.params == {"members": members}
    assert jobs.combine(home, run="one", ensemble="both") == result
    found = next(one for one in told(home, "candidate") if one.data.tags["perennial.candidate"] == "both")
    assert found.data.params["class"] == "voting of logistic, tree"
    assert found.data.params["model.logistic.C"] == str(members["logistic"]["C"])
    assert found.data.metrics["validation_roc_auc"] == pytest.approx(result.value)


def test_a_member_that_failed_is_left_out_and_one_alone_is_no_ensemble(home: Settings) -> None:
    three = {"name": "three", "members": ["logistic", "tree", "bad"]}
    begun(home, candidates=[LOGISTIC, TREE, BAD], ensembles=[three])
    jobs.tune(home, run="one", candidate="tree")
    with pytest.raises(
        CandidateError,
        match=r"'three': of its members logistic, tree, bad only tree was tuned, and it needs two. Why bad, logistic were not",
    ):
        jobs.combine(home, run="one", ensemble="three")
    jobs.tune(home, run="one", candidate="logistic")
    said: list[str] = []
    assert list(jobs.combine(home, run="one", ensemble="three", on_progress=said.append).params["members"]) == ["logistic", "tree"]
    assert said == ["three: made without bad"]


def test_by_hand_ensembles_follow_the_candidates(home: Settings) -> None:
    spec = declare(home, training={"candidates": [LOGISTIC, TREE], "ensembles": [BOTH]})
    accept(home, spec, visits(300), batch="a" * 32)
    said: list[str] = []
    result = jobs.train(home, "shop", on_progress=said.append)
    assert [line.split(":")[0] for line in said[1:4]] == ["logistic", "tree", "both"]
    assert trainings.get(State.open(home), result.run).state == "promoted"
