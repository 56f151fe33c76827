"""Addresses of Perennial's pages in Airflow, and the button on a task that leads to one."""

import os
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import attrs
from airflow.sdk import BaseOperatorLink, conf

PREFIX = "/perennial"


def report_url(model: str, window: str = "latest") -> str:
    """The Evidently report of a window."""
    return f"{_base()}{PREFIX}/reports/{quote(model)}/{quote(window, safe='')}"


def docs_url(model: str, written: str) -> str:
    """The Data Docs page that ingest wrote under the URL `written`."""
    return f"{_base()}{PREFIX}/data-docs/{quote(model)}/{quote(PurePosixPath(written).name, safe='')}"


@attrs.define
class ResultLink(BaseOperatorLink):
    """A button that leads to what the task made: the address that the operator has put into its `link`."""

    name: str = attrs.field(default="Result")

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """The address; empty, which hides the button, where the task made nothing to look at."""
        link: str = getattr(operator, "link", "")
        return link


def _base() -> str:
    base: str = os.environ.get("PERENNIAL_AIRFLOW_URL") or conf.get("api", "base_url", fallback=None) or ""
    return base.rstrip("/")
