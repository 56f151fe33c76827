"""Addresses of MLflow's pages, for people."""

import os
from urllib.parse import urlsplit

from ml.settings import Settings


def version_url(settings: Settings, model: str, version: int) -> str | None:
    """The page of a version; None where MLflow has no address (`PERENNIAL_MLFLOW_PUBLIC_URL`, or an http `PERENNIAL_MLFLOW_URL`)."""
    return _page(settings, f"models/{model}/versions/{version}")


def run_url(settings: Settings, run: str) -> str | None:
    """The page of a run, likewise. MLflow finds its experiment by itself."""
    return _page(settings, f"runs/{run}")


def _page(settings: Settings, path: str) -> str | None:
    """The address without a name and password in it: those are the installation's own, and every reader sees the links."""
    address = urlsplit(os.environ.get("PERENNIAL_MLFLOW_PUBLIC_URL") or settings.mlflow_url)
    if address.scheme not in {"http", "https"}:
        return None
    host = address.netloc.rpartition("@")[2]
    return f"{address._replace(netloc=host).geturl().rstrip('/')}/#/{path}"
