"""The one file that Airflow's plugin manager sees: Perennial's pages, below `/perennial`.

Every task loads it, so it imports nothing that is slow: the pages themselves are imported at the first request.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from perennial_airflow import preload

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Pages:
    """An ASGI application that becomes the real one when somebody looks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from perennial_airflow.pages.app import app

        await app(scope, receive, send)


class PerennialPlugin(AirflowPlugin):
    """Pages of Perennial in Airflow's API server, behind Airflow's login."""

    name = "perennial"
    fastapi_apps = [{"app": _Pages(), "url_prefix": "/perennial", "name": "Perennial"}]  # noqa: RUF012  # Airflow's own form
    # No slash at the begin of an address: Airflow puts the path of its base_url there.
    external_views = [  # noqa: RUF012
        {
            "name": "Models",
            "href": "perennial/models",
            "destination": "nav",
            "url_route": "perennial-models",
            "nav_top_level": True,
            "icon": "perennial/static/1/perennial.svg",
            "icon_dark_mode": "perennial/static/1/perennial-dark.svg",
        },
        # Without a `url_route` a view shows no tab.
        {"name": "Model", "href": "perennial/dags/{DAG_ID}", "destination": "dag", "url_route": "perennial-model"},
        {"name": "Reports", "href": "perennial/reports", "destination": "nav", "category": "browse", "url_route": "perennial-reports"},
        {
            "name": "What and why",
            "href": "perennial/runs/{DAG_ID}/{RUN_ID}",
            "destination": "dag_run",
            "url_route": "perennial-run",
        },
    ]
    listeners = [preload]  # noqa: RUF012
