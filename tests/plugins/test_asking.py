"""The step that waits for a person, without a scheduler."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from perennial_airflow.operators.confirm import ConfirmRetraining

from ml.settings import Settings
from ml.state import State, ledger
from tests.state.test_ledger import window
from tests.state.test_suggestions import of

CONTEXT: Any = {"dag_run": SimpleNamespace(dag_id="m.confirm", run_id="now")}


def answered(option: str, user: dict[str, str] | None) -> dict[str, Any]:
    return {"chosen_options": [option], "params_input": {}, "responded_at": datetime(2026, 5, 2, tzinfo=UTC), "responded_by_user": user}


@pytest.mark.parametrize(
    ("option", "user", "becomes", "by"),
    [
        ("Approve", {"id": "1", "name": "ada"}, "open", "ada (1)"),
        ("Reject", {"id": "ada", "name": "ada"}, "declined", "ada"),
        ("Reject", None, "expired", None),
    ],
)
def test_what_a_person_answers_in_airflow_stands_in_the_ledger(
    settings: Settings, option: str, user: dict[str, str] | None, becomes: str, by: str | None
) -> None:
    state, task = State.open(settings), ConfirmRetraining(task_id="confirm", model="m")
    asked = ledger.decide(state, of(window(state, start=0), until=datetime.now(UTC) + timedelta(days=1)))
    question: Any = task.ask(settings, CONTEXT)
    assert (question.subject, "- drift" in question.body) == ("Shall m be trained again?", True)
    said = task.execute_complete(CONTEXT, answered(option, user))
    assert (said["decision"], said["state"], said["by"]) == (asked.id, becomes, by)
    assert task.execute_complete(CONTEXT, answered("Approve", None)) is None, "the question stands no longer"


def test_nobody_is_asked_where_nothing_is_suggested(settings: Settings) -> None:
    State.open(settings)
    with pytest.raises(AirflowSkipException, match="no suggestion waits"):
        ConfirmRetraining(task_id="confirm", model="m").execute(CONTEXT)
