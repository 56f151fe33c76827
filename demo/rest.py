"""Airflow's REST API, as far as the story needs it: start runs, watch them, end those that are in the way."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from ml.errors import StackError

_ANSWER_S = 30.0
_TRIES = 4
UNFINISHED = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Run:
    """One DAG run. `kind` is Airflow's run type: `manual`, `scheduled`, `asset_triggered`, …"""

    dag: str
    id: str
    state: str
    kind: str

    @property
    def finished(self) -> bool:
        """Whether nothing will happen in it any more."""
        return self.state not in UNFINISHED


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a run, or one of its mapped copies. `state` is None before the scheduler has looked at it."""

    name: str
    state: str | None
    seconds: float | None
    process: int | None
    log: str
    """Where the API has the log of its last try."""


class Airflow:
    """A logged-in session with the API server. Use it as a context manager."""

    def __init__(self, *, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._login = {"username": user, "password": password}
        self._client = httpx.Client(base_url=self.url, timeout=_ANSWER_S, trust_env=False)

    def __enter__(self) -> Self:
        token = self._answer("POST", "/auth/token", json=self._login).json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def knows(self, dag: str) -> bool:
        """Whether the DAG is there, free of import errors."""
        answer = self._answer("GET", f"/api/v2/dags/{dag}", allowed=(404,))
        return answer.status_code == 200 and not answer.json()["has_import_errors"]

    def import_errors(self) -> list[str]:
        """The last line of each DAG file's import error."""
        found = self._get("/api/v2/importErrors")["import_errors"]
        return [f"{one['filename']}: {one['stack_trace'].strip().splitlines()[-1]}" for one in found]

    def pause(self, dag: str, *, paused: bool) -> None:
        """Pauses the DAG, or lets it run."""
        self._answer("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": paused})

    def trigger(self, dag: str, *, run: str, note: str) -> Run:
        """Starts a run under this id; asking twice starts it once."""
        body = {"dag_run_id": run, "logical_date": None, "note": note}
        self._answer("POST", f"/api/v2/dags/{dag}/dagRuns", allowed=(409,), json=body)
        return self.run(dag, run)

    def run(self, dag: str, run: str) -> Run:
        """The run as it is now."""
        return _run(self._get(_path(dag, run)))

    def runs(self, dag: str, **filters: Any) -> list[Run]:
        """The newest runs of the DAG, newest first, that match Airflow's own filters (`state`, `run_type`)."""
        answer = self._get(f"/api/v2/dags/{dag}/dagRuns", params={"order_by": "-id", "limit": 100, **filters})
        return [_run(one) for one in answer["dag_runs"]]

    def tasks(self, run: Run) -> list[Task]:
        """The tasks of a run, in the order in which they started."""
        answer = self._get(f"{_path(run.dag, run.id)}/taskInstances", params={"limit": 1000})
        found = sorted(answer["task_instances"], key=lambda one: (one["start_date"] or "~", one["task_id"], one["map_index"]))
        return [_task(one) for one in found]

    def log_lines(self, task: Task, *, last: int) -> list[str]:
        """The last lines of a task's log."""
        answer = self._answer("GET", task.log, allowed=(404, 500), headers={"Accept": "application/json"})
        content = answer.json().get("content", []) if answer.status_code == 200 else []
        lines = [text for line in content for text in _log_texts(line)]
        return [line for line in lines if line and not line.startswith("::")][-last:]

    def fail(self, run: Run) -> None:
        """Ends a run; Airflow then stops its tasks."""
        self._answer("PATCH", _path(run.dag, run.id), allowed=(404, 409), json={"state": "failed"})

    def drop_queued_events(self, dag: str) -> None:
        """Forgets the asset events that have not started a run of the DAG yet."""
        self._answer("DELETE", f"/api/v2/dags/{dag}/assets/queuedEvents", allowed=(404,))

    def page(self, path: str) -> httpx.Response:
        """What a logged-in browser would get for a page."""
        return self._answer("GET", path, allowed=range(300, 600))

    def run_page(self, run: Run) -> str:
        """Where a person looks at the run."""
        return f"{self.url}/dags/{run.dag}/runs/{quote(run.id, safe='')}"

    def _get(self, path: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._answer("GET", path, **options).json()
        return found

    def _answer(self, method: str, path: str, *, allowed: tuple[int, ...] | range = (), **options: Any) -> httpx.Response:
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._client.request(method, path, **options)
            except httpx.TransportError as error:
                if attempt == _TRIES:
                    raise StackError(
                        f"Airflow did not answer at {self.url}{path}: {error or type(error).__name__}. `perennial up` starts the stack"
                    ) from error
                time.sleep(attempt)
                continue
            if answer.is_success or answer.status_code in allowed:
                return answer
            if answer.status_code >= 500 and attempt < _TRIES:
                time.sleep(attempt)
                continue
            raise StackError(f"Airflow refused {method} {self.url}{path}: {answer.status_code} {answer.text[:300]}")
        raise AssertionError("unreachable")


def _log_texts(line: str | Mapping[str, Any]) -> list[str]:
    """The text of a log line; for an exception its type and message, which Airflow keeps beside the text."""
    if isinstance(line, str):
        return [line]
    details = [f"{one.get('exc_type')}: {one.get('exc_value')}" for one in line.get("error_detail") or []]
    return [str(line.get("event", "")), *details]


def _path(dag: str, run: str) -> str:
    return f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}"


def _run(one: Mapping[str, Any]) -> Run:
    return Run(dag=one["dag_id"], id=one["dag_run_id"], state=one["state"], kind=one["run_type"])


def _task(one: Mapping[str, Any]) -> Task:
    label = str(one["rendered_map_index"] or one["map_index"]).rsplit("/", 1)[-1]
    name = one["task_id"] if one["map_index"] < 0 else f"{one['task_id']}[{label}]"
    path = f"{_path(one['dag_id'], one['dag_run_id'])}/taskInstances/{one['task_id']}/logs/{max(one['try_number'], 1)}"
    log = path if one["map_index"] < 0 else f"{path}?map_index={one['map_index']}"
    return Task(name=name, state=one["state"], seconds=one["duration"], process=one["pid"], log=log)
