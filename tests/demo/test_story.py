"""The story holds: played with the same jobs in one process, everything real but Airflow."""

import io
import shutil
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from rich.console import Console

from demo import follow as following
from demo import story
from demo.chapters import INGEST, MODEL, MONITOR, TRAIN
from demo.rest import Airflow, Run, Task
from demo.story import StoryResult, play, show
from ml.errors import OperatorError
from ml.settings import Settings
from ml.stack import Addresses
from ml.state import State, ledger, trainings

PROJECT = Path(__file__).parents[2]
ADDRESSES = Addresses(airflow="http://127.0.0.1:1", mlflow="http://127.0.0.1:2", user="admin", password_file=Path("/home/passwords.json"))


class OneProcess(Airflow):
    """In the place of the API server: a run does at once what the DAG's tasks would do, and an open decision wakes the training."""

    def __init__(self, settings: Settings) -> None:
        self.url, self.settings = ADDRESSES.airflow, settings
        self.done: list[Run] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def knows(self, dag: str) -> bool:
        return True

    def import_errors(self) -> list[str]:
        return []

    def pause(self, dag: str, *, paused: bool) -> None:
        pass

    def drop_queued_events(self, dag: str) -> None:
        pass

    def trigger(self, dag: str, *, run: str, note: str) -> Run:
        from ml.jobs.ingest import ingest
        from ml.jobs.monitor import monitor
        from ml.jobs.reconcile import open_requests
        from ml.jobs.train import train

        if dag == INGEST:
            ingest(self.settings, MODEL)
        elif dag == TRAIN:
            train(self.settings, MODEL, run=run)
        elif dag == MONITOR:
            monitor(self.settings, MODEL)
            if open_requests(self.settings, MODEL):
                train(self.settings, MODEL, run="woken")
                self._finished(TRAIN, "woken", "asset_triggered")
        return self._finished(dag, run, "manual")

    def run(self, dag: str, run: str) -> Run:
        return next(one for one in self.done if (one.dag, one.id) == (dag, run))

    def runs(self, dag: str, **filters: Any) -> list[Run]:
        wanted = filters.get("run_type")
        return [one for one in reversed(self.done) if one.dag == dag and wanted in {None, one.kind} and "state" not in filters]

    def tasks(self, run: Run) -> list[Task]:
        return []

    def page(self, path: str) -> httpx.Response:
        return httpx.Response(200, headers={"content-security-policy": "default-src 'none'"})

    def _finished(self, dag: str, run: str, kind: str) -> Run:
        self.done.append(Run(dag=dag, id=run, state="success", kind=kind))
        return self.done[-1]


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    shutil.copytree(PROJECT / "dags" / MODEL, settings.dags / MODEL)
    shutil.copy(PROJECT / "expectations" / f"{MODEL}.json", settings.expectations)
    monkeypatch.setattr(following, "_POLL_S", 0.001)
    return settings


def told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> tuple[StoryResult, str]:
    monkeypatch.setattr(story, "Airflow", lambda **_: OneProcess(settings))
    monkeypatch.setattr(Addresses, "password", "unused")
    out = io.StringIO()
    console = Console(file=out, force_terminal=False, width=160)
    result = play(settings, ADDRESSES, console)
    show(console, result, ADDRESSES)
    return result, out.getvalue()


def test_the_story_holds_and_can_be_played_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first, text = told(settings, monkeypatch)
    state = State.open(settings)
    assert [one.version for one in trainings.promotion_history(state, MODEL)] == [1, 2]
    assert [one.retrain for one in ledger.recent_decisions(state, MODEL, limit=9)] == [False, True]
    assert "simulated" in text
    for address in (ADDRESSES.airflow, ADDRESSES.mlflow, first.report, str(ADDRESSES.password_file)):
        assert address in text

    monkeypatch.setattr(story, "CHAPTERS", story.CHAPTERS[:2])
    again, _ = told(settings, monkeypatch)
    assert [one.outcome for one in again.chapters] == [one.outcome for one in first.chapters[:2]]
    assert [one.version for one in trainings.promotion_history(state, MODEL)] == [1]


def test_two_plays_at_once_are_refused(settings: Settings) -> None:
    with story._alone(settings), pytest.raises(OperatorError, match="another demo plays"), story._alone(settings):
        pass
