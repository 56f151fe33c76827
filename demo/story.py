"""The story of `make demo`, played through real DAG runs with simulated loan applications, each step checked.

First deliveries → version 1 → a broken delivery → the world changes → drift, a decision → version 2 by itself → calm.
"""

import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.board import Board
from demo.chapters import CHAPTERS, DAGS, MODEL, TRAIN, Stage
from demo.follow import StoryBroken, wait_for
from demo.reset import reset
from demo.rest import Airflow
from demo.stream import Stream
from ml.errors import OperatorError, StackError
from ml.settings import Settings
from ml.stack import Addresses, running
from ml.state import State

_DAGS_S = 180.0


@dataclass(frozen=True, slots=True)
class Chapter:
    """One step that was played."""

    title: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StoryResult:
    """What happened, and where to look at it."""

    chapters: tuple[Chapter, ...]
    airflow: str
    mlflow: str
    report: str


def main(settings: Settings) -> None:
    """Plays the story on the running stack and shows it; exit status 130 when it is interrupted."""
    console = Console(highlight=False)
    try:
        with _alone(settings):
            addresses = running(settings)
            if addresses is None:
                raise StackError(f"no stack runs for {settings.home}. `perennial up` starts it")
            show(console, play(settings, addresses, console), addresses)
    except KeyboardInterrupt:
        console.print("\ninterrupted. The stack is still up; `perennial demo` plays from the beginning, `make down` ends the stack.")
        sys.exit(130)


def play(settings: Settings, addresses: Addresses, console: Console) -> StoryResult:
    """Plays the story; `StoryBroken` as soon as it does not hold.

    What an earlier play of the same model left is forgotten first. It writes deliveries to `<home>/incoming/credit_risk/` and starts
    DAG runs; the training after the decision it only waits for.
    """
    board = Board(console)
    console.print("[bold]Perennial demo[/bold]: a simulated stream of loan applications; nobody in it exists.\n")
    played = []
    with Airflow(url=addresses.airflow, user=addresses.user, password=addresses.password) as airflow:
        with board.step("Beginning without a past"):
            _wait_for_dags(airflow, board)
            reset(settings, airflow, board, model=MODEL, dags=DAGS)
        stage = Stage(
            settings=settings,
            state=State.open(settings),
            airflow=airflow,
            board=board,
            stream=Stream(),
            name=f"demo-{datetime.now(UTC):%Y%m%dT%H%M%S}",
            earlier_runs=frozenset(run.id for run in airflow.runs(TRAIN, run_type="asset_triggered")),
        )
        for title, chapter in CHAPTERS:
            played.append(_play_chapter(board, title, chapter, stage))
        report = _report_address(airflow)
    return StoryResult(chapters=tuple(played), airflow=addresses.airflow, mlflow=addresses.mlflow, report=report)


def show(console: Console, result: StoryResult, addresses: Addresses) -> None:
    """Prints what happened as a table, and the addresses."""
    table = Table(title="What happened (all applications simulated)", title_justify="left", show_lines=False)
    table.add_column("step", style="bold")
    table.add_column("outcome")
    table.add_column("s", justify="right")
    for chapter in result.chapters:
        table.add_row(chapter.title, Text(chapter.outcome), f"{chapter.seconds:.0f}")
    console.print()
    console.print(table)
    for name, address in (
        ("Airflow", result.airflow),
        ("MLflow", result.mlflow),
        ("Evidently report", result.report),
        ("Login", f"user {addresses.user}, password in {addresses.password_file}"),
    ):
        console.print(Text.assemble((f"{name:17}", "bold"), address), soft_wrap=True)
    console.print("\nThe stack stays up; `make down` ends it.")


def _play_chapter(board: Board, title: str, chapter: Callable[[Stage], str], stage: Stage) -> Chapter:
    with board.step(title):
        try:
            outcome = chapter(stage)
        except StoryBroken as error:
            raise StoryBroken(f"the story did not hold at {title!r}: {error}") from error
    board.outcome(title, outcome)
    return Chapter(title=title, outcome=outcome, seconds=board.elapsed_s)


def _wait_for_dags(airflow: Airflow, board: Board) -> None:
    def missing() -> list[str]:
        return [dag for dag in DAGS if not airflow.knows(dag)]

    def otherwise() -> str:
        errors = [error for error in airflow.import_errors() if MODEL in error]
        return f"Airflow does not show {', '.join(missing())}. " + ("; ".join(errors) or f"Look at {airflow.url}/dags")

    wait_for(board, "waiting until Airflow has read the DAGs", lambda: None if missing() else True, limit_s=_DAGS_S, otherwise=otherwise)


def _report_address(airflow: Airflow) -> str:
    path = f"/perennial/reports/{MODEL}/latest"
    answer = airflow.page(path)
    if answer.status_code != 200 or "default-src 'none'" not in answer.headers.get("content-security-policy", ""):
        raise StoryBroken(f"the report at {airflow.url}{path} is not shown as it should be: status {answer.status_code}")
    return f"{airflow.url}{path}"


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One play at a time: two would delete each other's past."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OperatorError(f"another demo plays in {settings.home} already; wait for its end") from error
        yield
