"""Addresses on this server, below whatever path Airflow's `[api] base_url` has."""

from functools import lru_cache
from urllib.parse import quote, urlsplit

from airflow.configuration import conf

from perennial_airflow.links import PREFIX

TAB = "perennial-model"
"""The `url_route` of the model's tab on its DAGs."""


def own(*parts: str, **query: str) -> str:
    """A page of ours: each part is one step of the path, whatever signs it has.

    >>> own("models", "a/b", tab="runs")
    '/perennial/models/a%2Fb?tab=runs'
    """
    asked = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in query.items())
    return f"{_root()}{PREFIX}{_path(parts)}" + (f"?{asked}" if asked else "")


def airflow(*parts: str) -> str:
    """A page of Airflow's own interface. Inside Airflow's frame it needs `target="_top"`.

    >>> airflow("dags", "a.train", "runs", "manual__2026-01-01T00:00:00+00:00")
    '/dags/a.train/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00'
    """
    return f"{_root()}{_path(parts)}"


def tab(model: str, kind: str = "monitor") -> str:
    """The model's tab in Airflow, on one of its DAGs.

    >>> tab("loans")
    '/dags/loans.monitor/plugin/perennial-model'
    """
    return airflow("dags", f"{model}.{kind}", "plugin", TAB)


def approval(training: str) -> str | None:
    """Where in Airflow a winner is approved; None for a training by hand, which asks nobody.

    >>> approval("loans.train/manual")
    '/dags/loans.train/runs/manual/tasks/approve/required_actions'
    """
    dag, slash, run = training.partition("/")
    return airflow("dags", dag, "runs", run, "tasks", "approve", "required_actions") if slash else None


def _path(parts: tuple[str, ...]) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)


@lru_cache(maxsize=1)
def _root() -> str:
    return urlsplit(conf.get("api", "base_url", fallback=None) or "").path.rstrip("/")
