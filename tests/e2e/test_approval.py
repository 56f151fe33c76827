"""A winner waits in the Airflow UI for a person, under a real scheduler: no answer, and yes. `test_actions` says no by a click."""

import csv
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.installation import Installation
from demo.rest import Airflow, Run
from ml.state import approvals, trainings
from tests.e2e.test_loop import declare, finished, task_states, until

pytestmark = pytest.mark.timeout(1200)
MODEL = "visits"


@pytest.fixture
def model(installation: Installation, tmp_path: Path) -> Iterator[Path]:
    """A model that needs approval, with accepted rows; the path of its declaration."""
    file, rng = tmp_path / "visits.csv", random.Random(1)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["spent", "age", "again"])
        for _ in range(400):
            spent = rng.gauss(0, 1)
            writer.writerow([spent, rng.gauss(40, 9), "yes" if spent + rng.gauss(0, 0.4) > 0 else "no"])
    made = installation.perennial("new", MODEL, "--from", str(file), "--target", "again")
    assert made.returncode == 0, made.stderr
    path = installation.settings.dags / MODEL / "model.yaml"
    declare(
        path,
        training={
            "candidates": [{"name": "logistic", "class": "sklearn.linear_model.LogisticRegression"}],
            "schedule": None,
            "ensembles": [],
        },
    )
    declare(path, promotion={"approval": "manual"})
    assert installation.perennial("ingest", MODEL, str(file)).returncode == 0
    yield path
    shutil.rmtree(path.parent)


def waiting(airflow: Airflow, name: str) -> Run:
    """A training that waits for a person."""
    run = airflow.trigger(f"{MODEL}.train", run=name, note=name)
    until(lambda: task_states(airflow, run)["approve"] == "awaiting_input" or None, limit_s=300, what=f"{name} asks")
    return run


def answered(airflow: Airflow, run: Run, option: str) -> Run:
    """The run after the answer.

    Airflow 3.3.2 loses an answer that comes before the scheduler has seen that the task waits (a second or two), and asks again; so
    whoever answers by script looks whether it is asked again.
    """
    path = f"/api/v2/dags/{run.dag}/dagRuns/{run.id}/taskInstances/approve/-1/hitlDetails"

    def look() -> Run | None:
        if task_states(airflow, run)["approve"] == "awaiting_input":
            airflow._answer("PATCH", path, allowed=(409,), json={"chosen_options": [option], "params_input": {}})
        now = airflow.run(run.dag, run.id)
        return now if now.finished else None

    return until(look, limit_s=400, what=f"{run.id} ends")


def outcome(installation: Installation) -> tuple[str, str]:
    newest = trainings.recent(installation.state, MODEL, limit=1)[0]
    return newest.state, str((newest.verdict or {}).get("outcome"))


def test_a_winner_waits_for_a_person(installation: Installation, model: Path) -> None:
    user = installation.addresses.user
    with installation.airflow() as airflow:
        until(lambda: airflow.knows(f"{MODEL}.train") or None, limit_s=120, what="the DAGs of the new model")

        declare(model, promotion={"approval_timeout": "5s"})
        run = waiting(airflow, "unanswered")
        assert finished(airflow, run).state == "success"
        state, text = outcome(installation)
        assert state == "challenger"
        assert "Not promoted: nobody answered within 5 seconds." in text

        declare(model, promotion={"approval_timeout": "2d"})
        run = waiting(airflow, "approved")
        [asked] = airflow._get(f"/api/v2/dags/{run.dag}/dagRuns/{run.id}/hitlDetails")["hitl_details"]
        assert asked["subject"] == f"Shall version 2 of {MODEL} become champion?"
        assert "| metric on " in asked["body"]
        assert f"/#/models/{MODEL}/versions/2)" in asked["body"], "a link to MLflow"
        assert asked["defaults"] == ["Reject"]
        declare(model, promotion={"approval": "auto"})  # the run keeps what it started with
        assert [one.training for one in approvals.waiting(installation.state, MODEL)] == [f"{MODEL}.train/approved"]
        assert answered(airflow, run, "Approve").state == "success"
        assert task_states(airflow, run)["announce_champion"] == "success"
        champion = trainings.champion(installation.state, MODEL)
        assert champion is not None
        assert (champion.version, champion.by) == (2, user)
