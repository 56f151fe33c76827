"""`/perennial/decisions/<model>/<decision>`: what each rule said, with the evidence, and what became of it."""

import json

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from ml.errors import CallError
from ml.jobs.decision_facts import decision
from ml.settings import Settings
from perennial_airflow.pages import html
from perennial_airflow.pages.login import may_see

router = APIRouter(prefix="/decisions")


@router.get("/{model}/{name}", dependencies=[Depends(may_see)])
def page(model: str, name: str) -> HTMLResponse:
    """One decision."""
    try:
        found = decision(Settings.from_env(), model, name)
    except CallError as error:
        return html.missing("No such decision", str(error))
    return html.page("decision_page.html", model=model, made=found, evidence=json.dumps(found.evidence, indent=2, sort_keys=True))
