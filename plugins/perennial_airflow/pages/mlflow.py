"""`/perennial/mlflow/<model>/…`: leads on to MLflow, wherever that answers when somebody looks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import RedirectResponse, Response

from ml.registry import links
from ml.settings import Settings
from ml.state import State, ledger
from perennial_airflow.pages import html
from perennial_airflow.pages.login import may_see

router = APIRouter(prefix="/mlflow", dependencies=[Depends(may_see)])
_RUN = r"^[A-Za-z0-9_-]{1,64}$"


@router.get("/{model}/versions/{version}")
def version(model: str, version: Annotated[int, Path(ge=1, lt=2**31)]) -> Response:
    """The page of a version."""
    return _led(links.version_url(Settings.from_env(), model, version))


@router.get("/{model}/runs/{run}")
def run(model: str, run: Annotated[str, Path(pattern=_RUN)]) -> Response:  # noqa: ARG001  # whose right to see was asked
    """The page of a run."""
    return _led(links.run_url(Settings.from_env(), run))


@router.get("/{model}/windows/{window}")
def measured(model: str, window: str) -> Response:
    """The page of the run that holds what was measured in a window."""
    settings = Settings.from_env()
    found = ledger.find_window(State.open(settings).reader, window)
    if found is None or found.model != model or found.mlflow_run is None:
        return html.missing("No such run", "The window was not measured, or is not known.")
    return _led(links.run_url(settings, found.mlflow_run))


def _led(address: str | None) -> Response:
    if address is None:
        return html.missing("MLflow has no address", "Set PERENNIAL_MLFLOW_PUBLIC_URL to where people reach MLflow.")
    return RedirectResponse(address, status_code=307, headers={"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache"})
