"""The application below `/perennial`. A new page is a module with a `router`, included here."""

from fastapi import FastAPI

from perennial_airflow.pages import acts, assets, decisions, docs, lineage, mlflow, reports, runs
from perennial_airflow.pages.login import LoginNeeded, to_login

app = FastAPI(title="Perennial", docs_url=None, redoc_url=None, openapi_url=None)
app.add_exception_handler(LoginNeeded, to_login)
for pages in (assets, reports, docs, acts, decisions, lineage, mlflow, runs):
    app.include_router(pages.router)
