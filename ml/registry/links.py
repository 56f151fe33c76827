"""Addresses of MLflow's pages, for people."""

import os

from ml.settings import Settings


def version_url(settings: Settings, model: str, version: int) -> str | None:
    """The page of a version; None where MLflow has no address (`PERENNIAL_MLFLOW_PUBLIC_URL`, or an http `PERENNIAL_MLFLOW_URL`)."""
    return _page(settings, f"models/{model}/versions/{version}")


def run_url(settings: Settings, run: str) -> str | None:
    """The page of a run, likewise. MLflow finds its experiment by itself."""
    return _page(settings, f"runs/{run}")


def _page(settings: Settings, path: str) -> str | None:
    address = os.environ.get("PERENNIAL_MLFLOW_PUBLIC_URL") or settings.mlflow_url
    return f"{address.rstrip('/')}/#/{path}" if address.startswith(("http://", "https://")) else None
