"""The steps of `<model>.replay`, without a scheduler."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from perennial_airflow.operators.replay import ReplayHistory, SuggestPolicy

from ml.settings import Settings
from ml.state import State, replays
from tests.jobs.test_replay_suggestion import AT, TEXT, played
from tests.jobs.test_replay_suggestion import shop as shop  # noqa: PLC0414 - a fixture

NOBODY: Any = {}
"""The context of a task: neither step looks at it."""


def suggest(at: datetime = AT) -> SuggestPolicy:
    return SuggestPolicy(task_id="suggest", model="shop", at={"at": at.isoformat()})


def answered(option: str, user: dict[str, str] | None) -> dict[str, Any]:
    return {"chosen_options": [option], "params_input": {}, "responded_at": datetime(2026, 5, 2, tzinfo=UTC), "responded_by_user": user}


def test_a_model_without_a_history_is_calmly_skipped(shop: Settings) -> None:
    with pytest.raises(AirflowSkipException, match="cannot be replayed yet"):
        ReplayHistory(task_id="replay", model="shop").job(shop, NOBODY)


def test_progress_is_told_in_few_lines_however_many_models_there_are(caplog: pytest.LogCaptureFixture) -> None:
    from perennial_airflow.operators.replay import _Steps

    operator = ReplayHistory(task_id="replay", model="shop")
    said: list[str] = []
    operator.say = lambda headline, facts=None: said.append(headline)  # type: ignore[method-assign,misc]
    steps = _Steps(operator)
    for done in range(5001):
        steps.advance(done, 5000)
    assert len(said) == 11
    assert (said[0], said[-1]) == ("0 of 5000 models", "5000 of 5000 models")


def test_nobody_is_asked_where_nothing_is_to_be_suggested(shop: Settings) -> None:
    played(shop, is_told=False, rules={})
    with pytest.raises(AirflowSkipException, match="too little is known"):
        suggest().execute(NOBODY)


def test_a_yes_is_written_down_and_the_log_says_how_it_is_applied(shop: Settings, caplog: pytest.LogCaptureFixture) -> None:
    played(shop)
    with caplog.at_level(logging.INFO):
        said = suggest().execute_complete(NOBODY, answered("Approve", {"id": "1", "name": "ada"}))
    assert said["approved"] is True
    assert said["command"] == "perennial replay shop --kept 1 --apply"
    assert "+  every_windows: 4" in said["diff"]
    kept = replays.of(State.open(shop), "shop", at=AT)
    assert kept is not None
    assert kept.answer is not None
    assert kept.answer["by"] == "ada (1)"
    assert (shop.dags / "shop" / "model.yaml").read_text() == TEXT, "the team's file is the team's"


def test_a_question_that_nobody_answered_in_time_is_a_no(shop: Settings) -> None:
    played(shop)
    said = suggest().execute_complete(NOBODY, answered("Reject", None))
    assert said == {"model": "shop", "approved": False, "by": None, "command": None, "diff": None}
