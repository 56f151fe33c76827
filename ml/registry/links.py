"""Addresses of MLflow's pages, for people."""

import os

from ml.settings import Settings


def run_url(settings: Settings, model: str, mlflow_run: str) -> str | None:
    """The page of a run; None where MLflow has no address (`PERENNIAL_MLFLOW_PUBLIC_URL`, or an http `PERENNIAL_MLFLOW_URL`)."""
    base = _base(settings)
    if base is None:
        return None
    from ml.registry.client import tracking

    with tracking(settings, model) as opened:
        return f"{base}/#/experiments/{opened.experiment}/runs/{mlflow_run}"


def version_url(settings: Settings, model: str, version: int) -> str | None:
    """The page of a model version; None where MLflow has no address."""
    base = _base(settings)
    return None if base is None else f"{base}/#/models/{model}/versions/{version}"


def _base(settings: Settings) -> str | None:
    address = os.environ.get("PERENNIAL_MLFLOW_PUBLIC_URL") or settings.mlflow_url
    return address.rstrip("/") if address.startswith(("http://", "https://")) else None
