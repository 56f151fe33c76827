"""Airflow's simple login with one user who may not see every DAG."""

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from tests.plugins.server import OPEN


class OwnModels(SimpleAuthManager):
    """`guest` may see only the DAGs whose names begin with `OPEN`."""

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        if user.username == "guest" and not (details is not None and str(details.id).startswith(OPEN)):
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
