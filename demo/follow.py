"""Waiting for DAG runs, with the board kept current, and an end to patience that says what to look at."""

import time
from collections.abc import Callable
from typing import TypeVar

from demo.board import Board
from demo.rest import Airflow, Run, Task
from ml.errors import OperatorError

T = TypeVar("T")

_POLL_S = 1.0
_LOG_LINES = 6


class StoryBroken(OperatorError):
    """The story did not go as told; the message says where, and what to look at."""


def follow(airflow: Airflow, board: Board, run: Run, *, limit_s: float) -> list[Task]:
    """Watches a run until it has succeeded and returns its tasks; `StoryBroken` if it failed or took longer than `limit_s`."""
    deadline = time.monotonic() + limit_s
    while True:
        run, tasks = airflow.run(run.dag, run.id), airflow.tasks(run)
        board.show(f"{run.dag} is {run.state}", tasks)
        if run.state == "success":
            return tasks
        if run.finished:
            raise StoryBroken(_failure(airflow, run, tasks))
        if time.monotonic() > deadline:
            unfinished = [f"{task.name} ({task.state or 'waiting'})" for task in tasks if task.state not in {"success", "skipped"}]
            raise StoryBroken(
                f"{run.dag} is still {run.state} after {limit_s:.0f} s; not done: {', '.join(unfinished[:5]) or 'nothing was begun'}. "
                f"Look at {airflow.run_page(run)}"
            )
        time.sleep(_POLL_S)


def wait_for(board: Board, doing: str, look: Callable[[], T | None], *, limit_s: float, otherwise: Callable[[], str]) -> T:
    """What `look` finds, as soon as it finds something; `StoryBroken` with the sentence of `otherwise` after `limit_s`."""
    deadline = time.monotonic() + limit_s
    board.show(doing)
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise StoryBroken(f"waited {limit_s:.0f} s: {otherwise()}")
        time.sleep(_POLL_S)
    return found


def _failure(airflow: Airflow, run: Run, tasks: list[Task]) -> str:
    failed = [task for task in tasks if task.state == "failed"]
    if not failed:
        return f"{run.dag} ended as {run.state} without a failed task. Look at {airflow.run_page(run)}"
    lines = "\n".join(f"    {line[:200]}" for line in airflow.log_lines(failed[0], last=_LOG_LINES))
    names = ", ".join(task.name for task in failed[:5])
    return f"{run.dag} failed in {names}. Look at {airflow.run_page(run)}\n  The end of the log of {failed[0].name}:\n{lines}"
