"""`/perennial/lineage/<model>/<version>`: from a version back to its data and its cause, and forward to its predictions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse

from ml.errors import CallError, UnknownVersion
from ml.jobs.lineage import lineage
from ml.settings import Settings
from perennial_airflow.pages import html
from perennial_airflow.pages.login import may_see

router = APIRouter(prefix="/lineage")
_MOST = 2**31 - 1
Version = Annotated[int, Path(ge=1, le=_MOST)]


@router.get("/{model}/{version}", dependencies=[Depends(may_see)])
def page(model: str, version: Version, batches: Annotated[int, Query(ge=1, le=_MOST)] = 1) -> HTMLResponse:
    """One version; `batches` is the page of its batches."""
    try:
        found = lineage(Settings.from_env(), model, version, page=batches)
    except (UnknownVersion, CallError) as error:
        return html.missing("Nothing is known of it", str(error))
    return html.page("lineage.html", made=found)
