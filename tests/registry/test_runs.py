"""MLflow runs are found again by their key, and written once."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml.registry import runs
from ml.registry.client import tracking
from ml.settings import Settings
from tests.training.worlds import with_mlflow

LOG = runs.Log(metrics={"auc": 0.5}, params={"seed": 42}, tags={"why": "x" * 5000}, texts={"spec.json": "{}"})


def opened(settings: Settings, run: str = "airflow__2026-01-01T00:00:00+00:00 'x'") -> str:
    return runs.open_training(settings, "shop", run=run, dataset=runs.DatasetName("/tables/shop/rows", 3), log=LOG)


def status(settings: Settings, run: str) -> str:
    with tracking(settings, "shop") as mlflow:
        return str(mlflow.client.get_run(run).info.status)


def test_a_training_has_one_run_with_what_it_was_told(settings: Settings) -> None:
    first = opened(with_mlflow(settings))
    assert opened(settings) == first
    assert opened(settings, "another") != first
    with tracking(settings, "shop") as mlflow:
        found = mlflow.client.get_run(first)
        assert (found.data.metrics, found.data.params) == ({"auc": 0.5}, {"seed": "42"})
        assert found.inputs.dataset_inputs[0].dataset.digest == "version 3"
        assert [one.path for one in mlflow.client.list_artifacts(first)] == ["spec.json"]


def test_a_training_whose_maker_was_killed_is_told_all_by_the_next_call(settings: Settings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_inputs", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            opened(with_mlflow(settings))
    for _ in range(2):
        run = opened(settings)
        with tracking(settings, "shop") as mlflow:
            found = mlflow.client.get_run(run)
            assert found.data.params == {"seed": "42"}
            assert [one.dataset.digest for one in found.inputs.dataset_inputs] == ["version 3"]
            assert [one.path for one in mlflow.client.list_artifacts(run)] == ["spec.json"]
            assert len(mlflow.client.search_runs([mlflow.experiment])) == 1


def test_a_candidate_is_stored_once_and_found_with_its_result(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    named = {"run": "r", "parent": parent, "candidate": "tree", "log": LOG}
    assert runs.candidate_result(settings, "shop", run="r", candidate="tree") is None
    first = runs.save_candidate(settings, "shop", **named, result="first")  # type: ignore[arg-type]
    assert runs.save_candidate(settings, "shop", **named, result="second") == first  # type: ignore[arg-type]
    assert runs.candidate_result(settings, "shop", run="r", candidate="tree") == (first, "first")
    assert runs.candidate_result(settings, "shop", run="r", candidate="forest") is None


def test_a_candidate_s_run_is_opened_once_and_ended_with_its_result(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    named = {"run": "r", "parent": parent, "candidate": "tree"}
    first = runs.open_candidate(settings, "shop", **named)
    assert runs.open_candidate(settings, "shop", **named) == first
    assert status(settings, first) == "RUNNING"
    assert runs.candidate_result(settings, "shop", run="r", candidate="tree") is None
    assert runs.save_candidate(settings, "shop", **named, log=LOG, result="done") == first
    assert status(settings, first) == "FINISHED"


def test_a_candidate_that_failed_is_taken_up_again(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    named = {"run": "r", "parent": parent, "candidate": "tree"}
    first = runs.open_candidate(settings, "shop", **named)
    runs.fail_candidate(settings, "shop", mlflow_run=first)
    assert status(settings, first) == "FAILED"
    assert runs.open_candidate(settings, "shop", **named) == first
    assert status(settings, first) == "RUNNING"


def test_what_a_killed_writer_left_is_written_to_its_end(settings: Settings) -> None:
    """Also where another attempt has another parameter: MLflow refuses to change one."""
    parent = opened(with_mlflow(settings))
    named = {"run": "r", "parent": parent, "candidate": "tree"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.set_tag", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runs.save_candidate(settings, "shop", **named, log=LOG, result="half")
    assert runs.candidate_result(settings, "shop", run="r", candidate="tree") is None
    whole = runs.save_candidate(settings, "shop", **named, log=replace(LOG, params={"seed": 43, "depth": 2}), result="done")
    assert runs.candidate_result(settings, "shop", run="r", candidate="tree") == (whole, "done")
    with tracking(settings, "shop") as mlflow:
        assert mlflow.client.get_run(whole).data.params == {"seed": "42", "depth": "2"}


def test_a_training_that_failed_leaves_no_candidate_running(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    running = runs.open_candidate(settings, "shop", run="r", parent=parent, candidate="tree")
    finished = runs.save_candidate(settings, "shop", run="r", parent=parent, candidate="forest", log=LOG, result="done")
    runs.end_training(settings, "shop", mlflow_run=parent, failed=True)
    assert [status(settings, run) for run in (parent, running, finished)] == ["FAILED", "FAILED", "FINISHED"]


def trial(number: int, state: str = "complete", text: str = "{}") -> runs.TrialLog:
    log = runs.Log(metrics={"auc": 0.5}, params={"depth": 3}, tags={}, texts={}, steps={"fold_auc": {0: 0.4, 2: 0.6}})
    return runs.TrialLog(number=number, state=state, seconds=2.5, log=log, text=text)  # type: ignore[arg-type]


def test_a_trial_is_a_run_below_its_candidate_s_with_a_value_a_fold(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    candidate = runs.open_candidate(settings, "shop", run="r", parent=parent, candidate="tree")
    made = runs.save_trial(settings, "shop", run="r", parent=candidate, candidate="tree", trial=trial(0))
    with tracking(settings, "shop") as mlflow:
        found = mlflow.client.get_run(made)
        assert (found.data.params, found.data.metrics["auc"], found.info.run_name) == ({"depth": "3"}, 0.5, "tree 0")
        assert found.data.tags["mlflow.parentRunId"] == candidate
        assert found.info.end_time - found.info.start_time == pytest.approx(2500, abs=2000)
        assert [(one.step, one.value) for one in mlflow.client.get_metric_history(made, "fold_auc")] == [(0, 0.4), (2, 0.6)]


def test_trials_are_found_again_whole_and_each_number_once(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    candidate, other = (runs.open_candidate(settings, "shop", run="r", parent=parent, candidate=name) for name in ("tree", "forest"))
    texts = ["a" * 7000, '{"params": {"C": 0.30000000000000004}}', "ü"]
    made = []
    for _ in range(2):
        for number, (state, text) in enumerate(zip(["complete", "pruned", "failed"], texts, strict=True)):
            entry = trial(number, state, text)
            made.append(runs.save_trial(settings, "shop", run="r", parent=candidate, candidate="tree", trial=entry))
    assert made[:3] == made[3:]
    assert [status(settings, run) for run in made[:3]] == ["FINISHED", "KILLED", "FAILED"]
    assert runs.trials_of(settings, "shop", mlflow_run=candidate) == texts
    assert runs.trials_of(settings, "shop", mlflow_run=other) == []


def test_a_trial_whose_writer_was_killed_does_not_count_and_is_written_anew(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    candidate = runs.open_candidate(settings, "shop", run="r", parent=parent, candidate="tree")
    named = {"run": "r", "parent": candidate, "candidate": "tree"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.set_terminated", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runs.save_trial(settings, "shop", **named, trial=trial(0, text="half"))
    assert runs.trials_of(settings, "shop", mlflow_run=candidate) == []
    runs.save_trial(settings, "shop", **named, trial=trial(0, text="whole"))
    assert runs.trials_of(settings, "shop", mlflow_run=candidate) == ["whole"]


def test_a_report_is_logged_once(settings: Settings, tmp_path: Path) -> None:
    page = tmp_path / "window.html"
    page.write_text("<p>calm</p>")
    first = runs.log_report(with_mlflow(settings), "shop", "shop-000001", page, {"drift_share": 0.25})
    assert runs.log_report(settings, "shop", "shop-000001", page, {"drift_share": 0.25}) == first
    with tracking(settings, "shop") as mlflow:
        assert mlflow.client.get_run(first).data.metrics == {"drift_share": 0.25}
        assert [one.path for one in mlflow.client.list_artifacts(first, "report")] == ["report/window.html"]


def test_an_experiment_that_somebody_deleted_comes_back(settings: Settings) -> None:
    first = opened(with_mlflow(settings))
    with tracking(settings, "shop") as mlflow:
        mlflow.client.delete_experiment(mlflow.experiment)
    assert opened(settings) == first or opened(settings, "new")
