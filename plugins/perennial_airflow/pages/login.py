"""Who looks at a page: Airflow's own users, with Airflow's own rights."""

from collections.abc import Collection
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials


class LoginNeeded(Exception):
    """A person without a login has opened a page in a browser."""


async def logged_in(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)] = None) -> BaseUser:
    """The user; without one a browser goes to the login page, everything else gets status 401."""
    try:
        return await get_user(request, None, bearer)
    except HTTPException:
        if request.method == "GET" and bearer is None and "text/html" in request.headers.get("accept", ""):
            raise LoginNeeded from None
        raise


User = Annotated[BaseUser, Depends(logged_in)]


def may_see(model: str, user: User) -> None:
    """Status 403 unless the user may read the model's monitor DAG."""
    if not can_see(model, user):
        raise HTTPException(403, "Forbidden")


def can_see(model: str, user: BaseUser) -> bool:
    """Whether the user may read the model's monitor DAG."""
    dag = f"{model}.monitor"
    details = DagDetails(id=dag, team_name=DagModel.get_team_name(dag))
    allowed: bool = get_auth_manager().is_authorized_dag(method="GET", details=details, user=user)
    return allowed


def visible(models: Collection[str], user: BaseUser) -> set[str]:
    """Those of the models whose monitor DAG the user may read: one question to Airflow's login for each team, however many there are."""
    dags = {f"{model}.monitor": model for model in models}
    teams = DagModel.get_dag_id_to_team_name_mapping(list(dags))
    by_team: dict[str | None, set[str]] = {}
    for dag in dags:
        by_team.setdefault(teams.get(dag), set()).add(dag)
    ask = get_auth_manager().filter_authorized_dag_ids
    allowed = [ask(dag_ids=ids, user=user, method="GET", team_name=team) for team, ids in by_team.items()]
    return {dags[dag] for found in allowed for dag in found}


def to_login(request: Request, error: Exception) -> RedirectResponse:  # noqa: ARG001  # FastAPI's form of a handler
    """Airflow's login page, which leads back to where the person wanted to go."""
    base = (conf.get("api", "base_url", fallback=None) or str(request.base_url)).rstrip("/")
    wanted = f"{base}{request.url.path}" + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(get_auth_manager().get_url_login(next_url=wanted), status_code=307)
