"""`/perennial/data-docs/<model>/<file>`: where the links on tasks lead; the page of a batch stands among the model's other pages."""

import re
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response

from perennial_airflow.pages import html
from perennial_airflow.pages.login import may_see

router = APIRouter(prefix="/data-docs")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\.html")


@router.get("/{model}/{file}", dependencies=[Depends(may_see)])
def page(model: str, file: str) -> Response:
    """The same page below `/perennial/reports`, from where its links lead on."""
    if not _FILE.fullmatch(file):
        return html.missing("No such page", f"`perennial quarantine list {model}` names the batches that were not accepted.")
    return RedirectResponse(f"../../reports/{quote(model, safe='')}/data-docs/{file}", status_code=307)
