"""Who may act through a page: a person whom Airflow lets trigger the DAG, from a page of Airflow's own origin."""

from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials

HEADER = "X-Perennial"
"""Every act carries it: a form of a foreign page cannot, and a script of one must ask first, which nobody grants."""


def from_own_page(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)] = None) -> None:
    """Status 403 for a write that a browser sends with the person's cookie, but not from a page of this very server.

    Another port of the same machine is the same site to a browser, so that its cookie goes along: neither the cookie nor `SameSite`
    tells whose page it was. Where a browser says nothing of it (plain http over a network) its `Origin` must be Airflow's.
    """
    if bearer is not None:
        return
    came_from = request.headers.get("sec-fetch-site")
    is_own = came_from == "same-origin" if came_from is not None else request.headers.get("origin") in _origins(request)
    if not is_own or HEADER.lower() not in request.headers:
        raise HTTPException(403, "Refused: this did not come from a page of this Airflow.")


def can_trigger(model: str, dag: str, user: BaseUser) -> bool:
    """Whether the user may start runs of `<model>.<dag>`, by Airflow's own rules."""
    name = f"{model}.{dag}"
    details = DagDetails(id=name, team_name=DagModel.get_team_name(name))
    allowed: bool = get_auth_manager().is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user)
    return allowed


def can_answer(model: str, dag: str, user: BaseUser) -> bool:
    """Whether the user may answer what a run of `<model>.<dag>` asks."""
    name = f"{model}.{dag}"
    details = DagDetails(id=name, team_name=DagModel.get_team_name(name))
    entity = DagAccessEntity.HITL_DETAIL
    allowed: bool = get_auth_manager().is_authorized_dag(method="PUT", access_entity=entity, details=details, user=user)
    return allowed


def _origins(request: Request) -> set[str]:
    own = urlsplit(conf.get("api", "base_url", fallback=None) or str(request.base_url))
    return {f"{own.scheme}://{own.netloc}"}
