"""`/perennial/models`: all models in one table. `/perennial/models/<model>`: all about one. `/perennial/dags/<dag>`: its DAGs' tab."""

import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse

from ml.jobs import model_view, overview
from ml.settings import Settings
from ml.specfile import model_names
from ml.state import State, ledger
from perennial_airflow.pages import html, schedule
from perennial_airflow.pages.login import User, can_see, may_see, visible
from perennial_airflow.pages.model_facts import Shown
from perennial_airflow.pages.sparkline import sparkline

router = APIRouter()
Period = Annotated[str, Query(pattern="^(30d|90d|1y|all)$")]
Skip = Annotated[int, Query(ge=0, le=1_000_000)]


@router.get("/models")
def listed(user: User) -> HTMLResponse:
    """One row a model that the user may see."""
    settings = Settings.from_env()
    known = model_names(settings)
    seen = visible(known, user)
    rows = overview.models(settings, only=seen)
    return html.page(
        "models.html",
        rows=rows,
        schedules=schedule.of([row.model for row in rows]),
        sparkline=sparkline,
        now=datetime.now(UTC),
        folder=str(settings.dags),
    )


@router.get("/models/{model}", dependencies=[Depends(may_see)])
def model(model: str, period: Period = "90d", skip: Skip = 0) -> HTMLResponse:
    """All about one model."""
    return _shown(model, period=period, skip=skip)


@router.get("/dags/{dag}")
def of_dag(dag: Annotated[str, Path(description="A DAG's id")], user: User, period: Period = "90d", skip: Skip = 0) -> HTMLResponse:
    """All about the model that a DAG belongs to; for the DAG of anything else, a page that says so."""
    name, _, kind = dag.rpartition(".")
    settings = Settings.from_env()
    if kind not in schedule.KINDS or name not in model_names(settings):
        return html.page("other_dag.html", dag=dag)
    if not can_see(name, user):
        return html.own("Not for you", "<p>Airflow says that you may not read this model's DAGs.</p>", status=403)
    return _shown(name, period=period, skip=skip, tab_of=dag)


@router.get("/models/{model}/decisions/{decision}", dependencies=[Depends(may_see)])
def decided(model: str, decision: str) -> HTMLResponse:
    """One decision: what every rule said, the numbers that it was made from, and what became of it."""
    found = ledger.find_decision(State.open(Settings.from_env()).reader, decision)
    if found is None or found.model != model:
        return html.missing("No such decision", f"`perennial status {model}` names the newest ones.")
    evidence = json.dumps(found.evidence, indent=1, ensure_ascii=False)
    return html.page("decision.html", one=found, evidence=evidence, report=Shown.report_of(found), now=datetime.now(UTC))


@router.get("/models/{model}/quarantine/{batch}", dependencies=[Depends(may_see)])
def quarantined(model: str, batch: str) -> HTMLResponse:
    """The failing rows of a batch in quarantine."""
    from ml.errors import PerennialError
    from ml.jobs import quarantine

    settings = Settings.from_env()
    if model not in model_names(settings):
        return html.missing("No such model", f"{model} is not declared here.")
    try:
        found = quarantine.show(settings, model, batch)
    except PerennialError as error:
        return html.missing("No such batch", str(error))
    return html.page("quarantined.html", model=model, found=found, now=datetime.now(UTC))


def _shown(model: str, *, period: str, skip: int, tab_of: str | None = None) -> HTMLResponse:
    settings = Settings.from_env()
    view = model_view.view(settings, model, period=period, skip=skip)
    if view is None:
        return html.missing("No such model", f"{model} is not declared here; `perennial new {model} --from FILE --target COLUMN` makes it.")
    shown = Shown.of(settings, view, schedule.of([model])[model])
    return html.page(
        "model.html",
        view=view,
        shown=shown,
        sparkline=sparkline,
        now=view.at,
        period=period,
        skip=skip,
        tab_of=tab_of,
        periods=model_view.PERIODS,
    )
