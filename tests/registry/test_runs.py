"""MLflow runs are found again by their key, and written once."""

from pathlib import Path

import pytest

from ml.registry import runs
from ml.registry.client import tracking
from ml.settings import Settings
from tests.training.worlds import with_mlflow

LOG = runs.Log(metrics={"auc": 0.5}, params={"seed": 42}, tags={"why": "x" * 5000}, texts={"spec.json": "{}"})


def opened(settings: Settings, run: str = "airflow__2026-01-01T00:00:00+00:00 'x'") -> str:
    return runs.open_training(settings, "shop", run=run, dataset=runs.DatasetName("/tables/shop/rows", 3), log=LOG)


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


def test_what_a_killed_writer_left_is_written_anew(settings: Settings) -> None:
    parent = opened(with_mlflow(settings))
    with tracking(settings, "shop") as mlflow:
        tags = {"perennial.kind": "candidate", "perennial.key": runs.key_of("r", "tree")}
        half = mlflow.client.create_run(mlflow.experiment, tags=tags).info.run_id
    assert runs.candidate_result(settings, "shop", run="r", candidate="tree") is None
    whole = runs.save_candidate(settings, "shop", run="r", parent=parent, candidate="tree", log=LOG, result="done")
    assert whole != half
    assert runs.candidate_result(settings, "shop", run="r", candidate="tree") == (whole, "done")


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
