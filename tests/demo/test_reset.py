"""The demo forgets its own model and nothing else."""

import io
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from rich.console import Console

from demo.board import Board
from demo.reset import reset
from demo.rest import Airflow, Run
from ml.errors import OperatorError
from ml.settings import Settings

DAGS = ("credit_risk.ingest", "credit_risk.train")


@pytest.fixture
def board() -> Board:
    return Board(Console(file=io.StringIO(), force_terminal=False))


@pytest.fixture
def airflow() -> Airflow:
    far_side: Airflow = create_autospec(Airflow, instance=True)
    far_side.runs.return_value = []  # type: ignore[attr-defined]
    return far_side


def fill(settings: Settings, model: str) -> list[Path]:
    folders = [settings.home / name / model for name in ("incoming", "tables", "quarantine", "reports", "data_docs")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "something").write_text("kept")
    return folders


def test_the_folders_of_the_model_go_and_those_of_others_stay(settings: Settings, airflow: Airflow, board: Board) -> None:
    gone, kept = fill(settings, "credit_risk"), fill(settings, "credit_risk_2")
    for _ in range(2):
        reset(settings, airflow, board, model="credit_risk", dags=DAGS)
        assert not any(folder.exists() for folder in gone)
        assert all((folder / "something").exists() for folder in kept)


def test_a_store_outside_the_home_is_refused_before_anything_is_deleted(settings: Settings, airflow: Airflow, board: Board) -> None:
    kept = fill(settings, "credit_risk")
    for url in ("s3://bucket/tables", str(settings.home.parent / "elsewhere"), "file:///elsewhere"):
        with pytest.raises(OperatorError, match="PERENNIAL_TABLES_URL lies elsewhere"):
            reset(settings.model_copy(update={"tables_url": url}), airflow, board, model="credit_risk", dags=DAGS)
    assert all((folder / "something").exists() for folder in kept)
    airflow.pause.assert_not_called()  # type: ignore[attr-defined]


def test_runs_of_an_earlier_play_are_ended_while_their_dags_are_paused(settings: Settings, airflow: Airflow, board: Board) -> None:
    left = Run(dag="credit_risk.train", id="old", state="running", kind="manual")
    airflow.runs.side_effect = lambda dag, **_: [left] if dag == left.dag else []  # type: ignore[attr-defined]
    airflow.tasks.return_value = []  # type: ignore[attr-defined]
    reset(settings, airflow, board, model="credit_risk", dags=DAGS)
    calls = [(call[0], call.kwargs.get("paused")) for call in airflow.mock_calls if call[0] in {"pause", "fail"}]  # type: ignore[attr-defined]
    assert calls == [("pause", True)] * 2 + [("fail", None)] + [("pause", False)] * 2
    airflow.fail.assert_called_once_with(left)  # type: ignore[attr-defined]
