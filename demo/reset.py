"""Forgetting an earlier play: the story begins with a model that nobody has heard of."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from demo.board import Board
from demo.follow import wait_for
from demo.rest import UNFINISHED, Airflow
from ml.errors import OperatorError
from ml.monitoring import workspace
from ml.registry.client import reaching
from ml.settings import Settings
from ml.state import State
from ml.state.forget import forget

_STOP_S = 90.0


def reset(settings: Settings, airflow: Airflow, board: Board, *, model: str, dags: Sequence[str]) -> None:
    """Ends runs of an earlier play and deletes everything that is remembered about the model. Idempotent.

    Only folders of this model below the home are deleted; a store that lies elsewhere is refused before anything is touched.
    """
    folders = _folders(settings, model)
    for dag in dags:
        airflow.pause(dag, paused=True)
    try:
        _end_runs(airflow, board, dags)
        board.show("forgetting what an earlier play left")
        for folder in folders:
            _delete(folder)
        forget(State.open(settings), model)
        _forget_versions(settings, model)
        for dag in dags:
            airflow.drop_queued_events(dag)
    finally:
        for dag in dags:
            airflow.pause(dag, paused=False)


def _folders(settings: Settings, model: str) -> list[Path]:
    parents = {
        "PERENNIAL_TABLES_URL": settings.tables_url,
        "PERENNIAL_QUARANTINE_URL": settings.quarantine_url,
        "PERENNIAL_REPORTS_URL": settings.reports_url,
    }
    found = [settings.incoming / model, settings.home / "data_docs" / model, settings.home / "mlflow" / "artifacts" / model]
    found.append(settings.home / "replay" / model)
    found.append(workspace.folder_of(settings) / str(workspace.project_id(model)))
    for variable, url in parents.items():
        folder = Path(urlsplit(url).path if url.startswith("file:") else url).resolve()
        if not folder.is_relative_to(settings.home):
            raise OperatorError(
                f"the demo deletes what an earlier play stored, and does so only below {settings.home}: {variable} lies elsewhere ({url}). "
                "Play it in a home of its own, without that variable"
            )
        found.append(folder / model)
    return found


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise OperatorError(f"{folder} cannot be deleted, and the story needs to begin without it. Check its rights")


def _end_runs(airflow: Airflow, board: Board, dags: Sequence[str]) -> None:
    """Fails the runs that an earlier play has left, and waits until their processes are gone: they would write into the new story."""
    left = [run for dag in dags for run in airflow.runs(dag, state=list(UNFINISHED))]
    processes = {task.process for run in left for task in airflow.tasks(run) if task.state == "running" and task.process}
    for run in left:
        airflow.fail(run)
    if left:
        wait_for(
            board,
            f"ending {len(left)} runs of an earlier play",
            lambda: None if any(psutil.pid_exists(process) for process in processes) else True,
            limit_s=_STOP_S,
            otherwise=lambda: f"tasks of an earlier play do not end: processes {sorted(processes)}. `perennial down` ends them",
        )


def _forget_versions(settings: Settings, model: str) -> None:
    """Deletes the registered model with its versions, and the runs of its experiment; the next version is number 1 again."""
    with reaching(settings) as client:
        if client.search_registered_models(filter_string=f"name = '{model}'"):
            client.delete_registered_model(model)
        experiment = client.get_experiment_by_name(model)
        if experiment is None:
            return
        while found := client.search_runs([experiment.experiment_id], max_results=500):
            for run in found:
                client.delete_run(run.info.run_id)
