"""Perennial's pages under Airflow's own login, in a process of its own, because Airflow's API server changes what it loads.

Started as a program it reads one JSON object a line, and answers with one. `Pages` is the other end of that.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
OPEN = "open_"
"""`guest` may see only the models whose names begin so; `vic` may see all and change nothing, `uma` may run them, `ada` may do all.

`tess` is of the team of lenders, the others are of none."""
ROLES = {"ada": "admin", "uma": "user", "vic": "viewer", "guest": "viewer", "tess": "viewer"}
TEAMS = {"tess": ["lenders"]}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser would get. The names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Pages:
    """The pages, as Airflow's users see them. Use it as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="perennial-pages-")
        home = self._folder.name
        environment = {
            **os.environ,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__AUTH_MANAGER": "tests.plugins.server_login.OwnModels",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/a.db",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of these tests that is long enough for a key of sixty-four bytes",
            "AIRFLOW__API__BASE_URL": "http://testserver",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
        }
        self._errors = Path(home, "errors.txt").open("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.plugins.server"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(30)
        self._errors.close()
        self._folder.cleanup()

    def get(self, path: str, *, user: str | None = "ada", **headers: str) -> Answer:
        """What one gets for an address; `headers` with `_` for `-`."""
        return self.ask("GET", path, user=user, headers=headers)

    def ask(self, method: str, path: str, *, user: str | None = "ada", headers: dict[str, str] | None = None, body: Any = None) -> Answer:
        named = {name.replace("_", "-"): text for name, text in (headers or {}).items()}
        return Answer(**self._said({"method": method, "path": path, "user": user, "headers": named, "body": body}))

    def dags(self, *dags: dict[str, Any]) -> None:
        """Airflow knows these DAGs and no other: columns of `DagModel`; moments as ISO 8601. `team`: whose they are, where of any."""
        self._said({"dags": dags})

    def _said(self, asked: dict[str, Any]) -> dict[str, Any]:
        ours = {name: text for name, text in os.environ.items() if name.startswith("PERENNIAL_")}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**asked, "environment": ours}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise AssertionError(self._errors.read()[-3000:])
        found: dict[str, Any] = json.loads(line)
        assert "error" not in found, found["error"]
        return found


def _serve() -> None:
    import traceback
    import warnings

    warnings.simplefilter("ignore")  # Airflow's own
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Airflow prints is no answer
    client, tokens = _client()
    for line in sys.stdin:
        asked = json.loads(line)
        for name in [name for name in os.environ if name.startswith("PERENNIAL_")]:
            del os.environ[name]
        os.environ.update(asked["environment"])
        try:
            answer = _keep(asked["dags"]) if "dags" in asked else _answer(client, tokens, asked)
        except Exception:
            answer = {"error": traceback.format_exc()[-3000:]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _client() -> tuple[Any, dict[str, str]]:
    from airflow import settings
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.revoked_token import RevokedToken  # noqa: F401  # a table that the line below makes
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from perennial_airflow.pages.app import app

    import_all_models()
    Base.metadata.create_all(settings.get_engine())
    manager = create_auth_manager()
    users = [SimpleAuthManagerUser(username=name, role=role, teams=TEAMS.get(name, [])) for name, role in ROLES.items()]
    tokens = {user.username: manager.generate_jwt(user) for user in users}
    around = FastAPI()
    around.mount("/perennial", app)
    return TestClient(around, raise_server_exceptions=False), tokens


def _answer(client: Any, tokens: dict[str, str], asked: dict[str, Any]) -> dict[str, Any]:
    client.cookies.clear()
    if asked["user"] is not None:
        client.cookies.set("_token", tokens[asked["user"]])
    found = client.request(asked["method"], asked["path"], headers=asked["headers"], json=asked["body"], follow_redirects=False)
    return {"status": found.status_code, "headers": {name.lower(): text for name, text in found.headers.items()}, "text": found.text}


def _keep(dags: list[dict[str, Any]]) -> dict[str, Any]:
    from datetime import datetime

    from airflow.models.dag import DagModel, clear_team_name_cache
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.team import Team
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(DagModel))
        session.merge(DagBundleModel(name="dags-folder"))
        for team in {one["team"] for one in dags if "team" in one}:
            session.merge(DagBundleModel(name=team)).teams = [session.merge(Team(name=team))]
        session.flush()
        for one in dags:
            bundle = one.pop("team", "dags-folder")
            times = {name: datetime.fromisoformat(text) for name, text in one.items() if name.startswith("next_") and text is not None}
            session.add(DagModel(**{"bundle_name": bundle, "is_stale": False, "is_paused": False, **one, **times}))
    clear_team_name_cache()
    return {}


if __name__ == "__main__":
    _serve()
