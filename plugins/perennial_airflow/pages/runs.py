"""`/perennial/runs/<dag>/<run>`: the tab of a run: what it did and why, in one screen."""

from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel
from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from ml.jobs import run_facts
from ml.settings import Settings
from ml.specfile import model_names
from perennial_airflow.operators.job import run_key
from perennial_airflow.pages import airflow_runs, html
from perennial_airflow.pages.airflow_runs import AirflowRun
from perennial_airflow.pages.login import User, can_see

router = APIRouter(prefix="/runs")
_OURS = ("train", "monitor")


@router.get("/{dag}/{run}")
def page(dag: str, run: str, user: User) -> HTMLResponse:
    """A run of a training or of a look; of any other DAG's, that nothing is told of it here."""
    model, _, step = dag.rpartition(".")
    details = DagDetails(id=dag, team_name=DagModel.get_team_name(dag))
    if not get_auth_manager().is_authorized_dag(method="GET", access_entity=DagAccessEntity.RUN, details=details, user=user):
        raise HTTPException(403, "Forbidden")
    settings = Settings.from_env()
    if step not in _OURS or model not in model_names(settings):
        return html.own("Nothing to tell", "<p>Perennial tells here what runs of trainings and of looks (monitor) did, and why.</p>")
    if not can_see(model, user):
        raise HTTPException(403, "Forbidden")
    found = airflow_runs.find(dag, run)
    if found is None:
        return html.missing("No such run", f"Airflow has no run {run!r} of {dag}.")
    return _training(settings, model, found) if step == "train" else _look(settings, model, found)


def _training(settings: Settings, model: str, run: AirflowRun) -> HTMLResponse:
    """What the steps have returned tells of the candidates that were not chosen; all else stands in the state database."""
    told = run_facts.training(settings, run_key(run.dag, run.id))
    tried = {one["candidate"]: one for task in ("tune", "combine") for one in run.results(task) if _is_candidate(one)}
    return html.page("run_train.html", model=model, run=run, told=told, tried=tried)


def _look(settings: Settings, model: str, run: AirflowRun) -> HTMLResponse:
    window = next((one for one in run.results("take_window") if isinstance(one, str)), None)
    told = run_facts.look(settings, window) if window is not None else None
    return html.page("run_monitor.html", model=model, run=run, told=told if told is None or told.model == model else None)


def _is_candidate(made: Any) -> bool:
    return isinstance(made, dict) and {"candidate", "metric", "value", "params", "trials", "seconds"} <= made.keys()
