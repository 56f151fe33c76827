"""The application below `/perennial`. A new page is a module with a `router`, included here."""

from html import escape

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from ml.errors import PerennialError, StoreUnavailable
from perennial_airflow.pages import acts, assets, docs, html, lineage, mlflow, models, reports, runs
from perennial_airflow.pages.login import LoginNeeded, to_login


def told(request: Request, error: Exception) -> HTMLResponse:  # noqa: ARG001  # FastAPI's form of a handler
    """A page that says what is wrong and what cures it."""
    status = 503 if isinstance(error, StoreUnavailable) else 500
    return html.own("This page cannot be shown", f"<p>{escape(str(error))}</p>", status=status)


app = FastAPI(title="Perennial", docs_url=None, redoc_url=None, openapi_url=None)
app.add_exception_handler(LoginNeeded, to_login)
app.add_exception_handler(PerennialError, told)
for pages in (assets, models, reports, docs, acts, lineage, mlflow, runs):
    app.include_router(pages.router)
