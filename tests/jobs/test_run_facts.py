"""What is told of a run and of a decision, from the state database alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.jobs import run_facts
from ml.jobs.actions import possible
from ml.settings import Settings
from ml.state import State, approvals, ledger, suggestions, trainings
from ml.state.records import Approval, Decision, Drift, Quality, Training, Window
from ml.state.tables import details
from tests.state import made

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SPEC = made.declared(training={"candidates": [{"name": "a", "class": "a.B"}, {"name": "b", "class": "a.C"}]})
VERDICT = made.VERDICT | {"candidate": "b", "challenger": {"mae": 1.0, "rmse": 1.25}}


@pytest.fixture
def window(settings: Settings) -> Window:
    """A measured window; two of three columns drifted."""
    state = State.open(settings)
    opened = made.opened(state, SPEC, rows=50)
    drifts = [
        Drift(column=name, kind="number", method="psi", value=value, threshold=0.1, drifted=value >= 0.1)
        for name, value in {"near": 0.2, "far": 0.9, "calm": 0.01}.items()
    ]
    qualities = [Quality(metric="rmse", value=2.0, rows=40)]
    made.measured(state, opened, drifts=drifts, qualities=qualities, labelled_rows=40, mlflow_run="m")
    with state.begin() as connection:
        connection.execute(details.insert().values(window=opened.id, kind="intervals", content={"rmse": [1.5, 2.5]}))
    return opened


def decided(**more: Any) -> Decision:
    return made.asked(made.window(model="loans"), **{"id": "d1", "window": None, "reasons": ["because"]} | more)


def begun(database: State, /, **more: Any) -> Training:
    facts = {"key": "loans.train/one", "state": "running", "version": 2, "verdict": VERDICT}
    return made.begun(database, SPEC, **facts | more)


def test_a_look_is_told_with_its_farthest_columns_first_and_its_intervals(settings: Settings, window: Window) -> None:
    told = run_facts.look(settings, window.id)
    assert told is not None
    assert told.headline == "2 of 3 feature columns drifted in window 1; nothing is decided yet."
    assert [name for name, _ in told.drifted] == ["far", "near"]
    assert [(one.metric, one.low, one.high) for one in told.quality] == [("rmse", 1.5, 2.5)]
    ledger.decide(State.open(settings), decided(window=window.id, retrain=False, state="no"))
    again = run_facts.look(settings, window.id)
    assert again is not None
    assert again.headline.endswith("no training is asked for.")
    assert again.decision is not None
    assert again.decision.report
    assert run_facts.look(settings, "loans-000099") is None


def test_a_training_is_told_by_its_key_with_who_was_asked(settings: Settings) -> None:
    state = State.open(settings)
    assert run_facts.training(settings, "loans.train/one") is None
    ledger.decide(state, decided())
    begun(state, decision="d1")
    approvals.ask(state, Approval(training="loans.train/one", model="loans", asked_at=NOW, until=NOW + timedelta(days=1)))
    told = run_facts.training(settings, "loans.train/one")
    assert told is not None
    assert told.headline == "Version 2 has won and waits for a person."
    assert (told.candidates, told.chosen, told.metric) == (["a", "b"], "b", "mae")
    assert list(told.scores) == ["rmse", "mae"], "that of the verdict first"
    assert told.decision is not None
    approvals.answer(state, "loans.train/one", approved=False, by="ada", at=NOW)
    trainings.change(state, "loans.train/one", state="challenger")
    after = run_facts.training(settings, "loans.train/one")
    assert after is not None
    assert after.asked is not None
    assert (after.headline, after.asked.approved, after.asked.by) == ("Version 2 did not become champion.", False, "ada")


def test_a_training_that_failed_says_so(settings: Settings) -> None:
    begun(State.open(settings), state="failed", version=None, verdict={"error": "no memory"})
    told = run_facts.training(settings, "loans.train/one")
    assert told is not None
    assert told.error == "no memory"
    assert "failed" in told.headline


def test_what_may_be_done_says_why_not(settings: Settings) -> None:
    (settings.dags / "loans").mkdir()
    (settings.dags / "loans" / "model.yaml").touch()
    state = State.open(settings)
    empty = possible(settings, "loans")
    assert "no accepted rows yet" in str(empty.train.refused)
    assert empty.back.refused == "There is no champion yet."
    begun(state)
    for number, version in enumerate((1, 2, 2, 3)):
        trainings.crown(state, model="loans", version=version, kind="promote", at=NOW, by="gate", reason="r", key=str(number))
    able = possible(settings, "loans")
    assert (able.back.present, able.back.to, able.back.refused) == (3, 2, None)
    assert able.train.under_way == "loans.train/one"
    assert able.versions[0].refused is None


def test_a_suggestion_can_be_answered_once_a_run_asks_about_it(settings: Settings) -> None:
    (settings.dags / "loans").mkdir()
    (settings.dags / "loans" / "model.yaml").touch()
    state, until = State.open(settings), datetime.now(UTC) + timedelta(days=1)
    ledger.decide(state, decided(state="suggested", until=until))
    assert possible(settings, "loans").waiting == []
    suggestions.ask(state, "loans", run="loans.confirm/manual__1", at=NOW)
    [asked] = possible(settings, "loans").waiting
    assert (asked.kind, asked.run, asked.until) == ("confirm", "manual__1", until)
    suggestions.ask(state, "loans", run="loans.confirm/" + "x" * 200 + "~" + "0" * 16, at=NOW)
    assert possible(settings, "loans").waiting[0].run is None, "the whole name of the run is not known"
