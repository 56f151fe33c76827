"""`/perennial/reports`: the pages that stakeholders read, as `ml.jobs.site` makes them; the addresses are those of files in folders."""

from dataclasses import replace
from html import escape
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, RedirectResponse

from ml import specfile
from ml.errors import PerennialError
from ml.jobs import model_view
from ml.jobs.site import documents
from ml.jobs.site.documents import Document, Shelf
from ml.settings import Settings
from perennial_airflow.pages import html
from perennial_airflow.pages.login import User, may_see, visible
from perennial_airflow.pages.models import Period

router = APIRouter(prefix="/reports")


@router.get("")
def entry(user: User) -> RedirectResponse:  # noqa: ARG001  # only who is logged in is sent on
    """The index has an address with a folder, so that its links lead on as those of a file do."""
    return RedirectResponse("reports/index.html", status_code=307)


@router.get("/index.html")
def index(user: User) -> HTMLResponse:
    """One line for each model that the user may see, the one that was looked at last first."""
    settings = Settings.from_env()
    known = specfile.model_names(settings)
    seen = visible(known, user)
    return _answer(documents.index(Shelf.open(settings), [name for name in known if name in seen]))


@router.get("/{model}", dependencies=[Depends(may_see)])
def model_entry(model: str) -> RedirectResponse:
    """The page of a model, in its folder."""
    return RedirectResponse(f"{quote(model, safe='')}/index.html", status_code=307)


@router.get("/{model}/data-docs/{page}", dependencies=[Depends(may_see)])
def docs(model: str, page: str) -> HTMLResponse:
    """The checks of the deliveries: `index`, or those of a batch."""
    return report(model, f"{documents.DOCS}/{page}")


@router.get("/{model}/{page}", dependencies=[Depends(may_see)])
def report(model: str, page: str, period: Period = "90d") -> HTMLResponse:
    """A page of a model by its name: a window's id, `latest`, `index`, `history`, `replay`, `card_<version>`; with or without `.html`.

    `period` is the history's alone.
    """
    try:
        shelf = Shelf.open(Settings.from_env())
        if page.removesuffix(".html") == documents.HISTORY:
            shelf = replace(shelf, after=model_view.begin(shelf.state, model, period=period, at=shelf.at))
        found = documents.find(shelf, model, page)
    except PerennialError as error:
        return html.own("The report cannot be opened", f"<p>{escape(str(error))}</p>", status=503)
    if isinstance(found, documents.Missing):
        return html.missing(found.what, found.hint)
    return _answer(found)


def _answer(found: Document) -> HTMLResponse:
    """Only what others made of data is sandboxed: out of a sandbox a link would not take the login along."""
    return html.foreign(found.content) if found.is_foreign else html.whole(found.content.decode())
