"""Waiting for a run ends, and says what to look at when it ends badly."""

import io
from collections.abc import Iterator
from unittest.mock import create_autospec

import pytest
from rich.console import Console

from demo import follow as following
from demo.board import Board
from demo.follow import StoryBroken, follow, wait_for
from demo.rest import Airflow, Run, Task

RUN = Run(dag="m.train", id="r1", state="running", kind="manual")


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def board(told: io.StringIO) -> Iterator[Board]:
    board = Board(Console(file=told, force_terminal=False, width=200))
    with board.step("A step"):
        yield board


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    monkeypatch.setattr(following, "_POLL_S", 0.001)
    far_side: Airflow = create_autospec(Airflow, instance=True)
    far_side.run_page.side_effect = lambda run: f"http://127.0.0.1:1/dags/{run.dag}/runs/{run.id}"  # type: ignore[attr-defined]
    return far_side


def task(name: str, state: str | None) -> Task:
    return Task(name=name, state=state, seconds=None, process=None, log="/log")


def states(*names: str) -> list[Run]:
    return [Run(dag="m.train", id="r1", state=name, kind="manual") for name in names]


def test_a_run_is_followed_until_it_has_succeeded(airflow: Airflow, board: Board, told: io.StringIO) -> None:
    airflow.run.side_effect = states("queued", "running", "success")  # type: ignore[attr-defined]
    airflow.tasks.side_effect = [[], [task("freeze", "running")], [task("freeze", "success")]]  # type: ignore[attr-defined]
    assert follow(airflow, board, RUN, limit_s=5) == [task("freeze", "success")]
    assert "m.train is queued" in told.getvalue()
    assert "freeze: running" in told.getvalue()
    assert "freeze: success" in told.getvalue()


def test_a_failed_run_is_told_with_its_task_its_page_and_the_end_of_its_log(airflow: Airflow, board: Board) -> None:
    airflow.run.side_effect = states("failed")  # type: ignore[attr-defined]
    airflow.tasks.return_value = [task("freeze", "success"), task("tune[xgboost]", "failed")]  # type: ignore[attr-defined]
    airflow.log_lines.return_value = ["CandidateError: no such class"]  # type: ignore[attr-defined]
    with pytest.raises(StoryBroken, match=r"failed in tune\[xgboost\]\. Look at http://127.0.0.1:1/dags/m.train/runs/r1") as caught:
        follow(airflow, board, RUN, limit_s=5)
    assert "CandidateError: no such class" in str(caught.value)


def test_a_run_that_never_ends_is_told_with_what_it_waits_for(airflow: Airflow, board: Board) -> None:
    airflow.run.return_value = RUN  # type: ignore[attr-defined]
    airflow.tasks.return_value = [task("freeze", "success"), task("gate", None)]  # type: ignore[attr-defined]
    with pytest.raises(StoryBroken, match=r"still running after 0 s; not done: gate \(waiting\)"):
        follow(airflow, board, RUN, limit_s=0)


def test_waiting_ends_with_what_was_found_or_with_a_sentence(airflow: Airflow, board: Board) -> None:
    found = iter([None, None, "here"])
    assert wait_for(board, "waiting", lambda: next(found), limit_s=5, otherwise=str) == "here"
    with pytest.raises(StoryBroken, match="waited 0 s: nothing came"):
        wait_for(board, "waiting", lambda: None, limit_s=0, otherwise=lambda: "nothing came")
