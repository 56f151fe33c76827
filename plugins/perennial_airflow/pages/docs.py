"""`/perennial/data-docs/<model>/<file>`: where the links on tasks lead; the page of a batch stands among the model's other pages."""

from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse

from perennial_airflow.pages.login import may_see

router = APIRouter(prefix="/data-docs")


@router.get("/{model}/{file}", dependencies=[Depends(may_see)])
def page(model: str, file: str) -> RedirectResponse:
    """The same page below `/perennial/reports`, from where its links lead on."""
    return RedirectResponse(f"../../reports/{quote(model, safe='')}/data-docs/{quote(file, safe='')}", status_code=307)
