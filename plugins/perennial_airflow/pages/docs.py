"""`/perennial/data-docs/<model>/<file>`: the Data Docs page of a batch."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import HTMLResponse

from ml.settings import Settings
from perennial_airflow.pages import html
from perennial_airflow.pages.login import may_see

router = APIRouter(prefix="/data-docs")
_MODEL = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\.html")


@router.get("/{model}/{file}", dependencies=[Depends(may_see)])
def page(model: str, file: Annotated[str, Path(description="The page's file name")]) -> HTMLResponse:
    """The page that ingest wrote."""
    folder = Settings.from_env().home / "data_docs" / model
    path = folder / file
    known = _MODEL.fullmatch(model) and _FILE.fullmatch(file) and path.resolve().is_relative_to(folder.resolve())
    if not known or not path.is_file():
        return html.missing("No such page", f"`perennial quarantine list {model}` names the batches that were not accepted.")
    return html.foreign(path.read_bytes())
