"""Addresses of Perennial's pages in Airflow, and the buttons on a task that lead to them."""

import os
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import attrs
from airflow.sdk import BaseOperatorLink, conf

PREFIX = "/perennial"
REPORT, HISTORY, REPLAY, DATA_DOCS = "Report", "History", "Replay", "Data Docs"
DECISION, LINEAGE, MLFLOW_RUN, MODEL_VERSION = "Decision", "Lineage", "MLflow run", "Model version"


def report_url(model: str, window: str = "latest") -> str:
    """The Evidently report of a window."""
    return _page("reports", model, window)


def docs_url(model: str, written: str) -> str:
    """The Data Docs page that ingest wrote under the URL `written`."""
    return _page("data-docs", model, PurePosixPath(written).name)


def decision_url(model: str, decision: str) -> str:
    """The page of a decision: what each rule said, with which evidence."""
    return _page("models", model, "decisions", decision)


def lineage_url(model: str, version: int) -> str:
    """Where a version comes from, and what it has predicted."""
    return _page("lineage", model, version)


def version_url(model: str, version: int) -> str:
    """Leads on to the version in MLflow, wherever that answers when somebody looks."""
    return _page("mlflow", model, "versions", version)


def mlflow_run_url(model: str, run: str) -> str:
    """Leads on to a run in MLflow."""
    return _page("mlflow", model, "runs", run)


def window_run_url(model: str, window: str) -> str:
    """Leads on to the run in MLflow that holds what was measured in a window."""
    return _page("mlflow", model, "windows", window)


@attrs.define
class ResultLink(BaseOperatorLink):
    """A button that leads to what the task made: the address that the operator has put into its `links` under the button's name.

    Airflow asks once, when the task ends: so it is an address of ours, which stays and leads on to wherever the thing is then.
    """

    name: str = attrs.field(default=REPORT)

    @property
    def xcom_key(self) -> str:
        """Under its name: by default all links of a class would share a key, and the last of a task would be the address of all."""
        return f"_link_{self.name.lower().replace(' ', '_')}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """The address; empty, which hides the button, where the task made nothing to look at."""
        links: dict[str, str] = getattr(operator, "links", {})
        return links.get(self.name, "")


def _page(*parts: str | int) -> str:
    base: str = os.environ.get("PERENNIAL_AIRFLOW_URL") or conf.get("api", "base_url", fallback=None) or ""
    return f"{base.rstrip('/')}{PREFIX}/" + "/".join(quote(str(part), safe="") for part in parts)
