"""Addresses of MLflow's pages, for people."""

import os

from ml.settings import Settings


def version_url(settings: Settings, model: str, version: int) -> str | None:
    """The page of a version; None where MLflow has no address (`PERENNIAL_MLFLOW_PUBLIC_URL`, or an http `PERENNIAL_MLFLOW_URL`)."""
    address = os.environ.get("PERENNIAL_MLFLOW_PUBLIC_URL") or settings.mlflow_url
    return f"{address.rstrip('/')}/#/models/{model}/versions/{version}" if address.startswith(("http://", "https://")) else None
