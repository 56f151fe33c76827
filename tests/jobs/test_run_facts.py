"""What is told of a run and of a decision, from the state database alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.jobs import run_facts
from ml.jobs.actions import possible
from ml.jobs.decision_facts import standing
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, approvals, ledger, specs, suggestions, trainings
from ml.state.records import Approval, Decision, Drift, Quality, Training, Window
from ml.state.tables import details

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SPEC = ModelSpec.model_validate(
    {
        "model": "loans",
        "task": "regression",
        "target": "y",
        "features": {"numeric": ["x"]},
        "data": {"source": {"kind": "files", "urls": ["x"]}},
        "training": {"candidates": [{"name": "a", "class": "a.B"}, {"name": "b", "class": "a.C"}]},
    }
)
VERDICT: dict[str, Any] = {
    "run": "r", "candidate": "b", "params": {}, "wins": True, "sentence": "It wins.", "metric": "rmse", "rows": 10, "gain": None,
    "challenger": {"mae": 1.0, "rmse": 1.25}, "champion": None, "champion_version": None, "baseline": {"rmse": 3.0},
    "metrics": {"rmse": 1.0}, "mlflow_run": "m", "logged_model": "l", "model_sha256": "s",
}  # fmt: skip


@pytest.fixture
def window(settings: Settings) -> Window:
    """A measured window; two of three columns drifted."""
    state = State.open(settings)
    opened = ledger.open_window(
        state,
        Window(
            id="", model="loans", number=0, start_version=1, end_version=2, as_of=NOW, rows=50, labelled_rows=None, start_time=None,
            end_time=None, champion=1, spec_hash=specs.remember(state, SPEC, at=NOW), report_url=None, mlflow_run=None, measured_at=None,
        ),
    )  # fmt: skip
    drifts = [
        Drift(column=name, kind="number", method="psi", value=value, threshold=0.1, drifted=value >= 0.1)
        for name, value in {"near": 0.2, "far": 0.9, "calm": 0.01}.items()
    ]
    qualities = [Quality(metric="rmse", value=2.0, rows=40)]
    ledger.save_measurement(
        state, opened.id, drifts=drifts, qualities=qualities, labelled_rows=40, report_url="r.html", mlflow_run="m", at=NOW
    )
    with state.begin() as connection:
        connection.execute(details.insert().values(window=opened.id, kind="intervals", content={"rmse": [1.5, 2.5]}))
    return opened


def decided(**more: Any) -> Decision:
    facts: dict[str, Any] = {
        "id": "d1", "window": None, "retrain": True, "reasons": ["because"], "evidence": {}, "report_url": None, "state": "open",
    }  # fmt: skip
    return Decision(model="loans", decided_at=NOW, **{**facts, **more})


def begun(database: State, /, **more: Any) -> Training:
    facts: dict[str, Any] = {
        "key": "loans.train/one", "spec_hash": specs.remember(database, SPEC, at=NOW), "dataset_version": 3, "labels_version": None,
        "as_of": NOW, "reason": "asked", "decision": None, "state": "running", "started_at": NOW, "version": 2, "verdict": VERDICT,
    }  # fmt: skip
    return trainings.begin(database, Training(model="loans", **{**facts, **more}))


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


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"state": "no"}, "No training was asked for."),
        ({"state": "suggested", "until": NOW}, "A person is asked until 2026-05-01 00:00 UTC; without an answer it is no."),
        ({"state": "declined", "answer": {"approved": False, "by": "ada"}}, "ada said no."),
        ({"state": "open", "answer": {"approved": True, "by": "ada"}}, "A training is asked for (ada said yes) and has not begun yet."),
        ({"state": "claimed", "claimed_by": "run"}, "A training works on it: run."),
        (
            {"state": "done", "outcome": {"version": 3, "promoted": True, "verdict": "It wins."}},
            "It was trained: version 3 became champion. It wins.",
        ),
        ({"state": "superseded", "outcome": {"superseded_by": "d2"}}, "Something newer took its place: d2."),
        ({"state": "failed", "tries": 3, "outcome": {"cure": "Mend it."}}, "It was tried 3 times and has failed. Mend it."),
        (
            {"state": "done", "kind": "rollback", "outcome": {"rolled_back": 3, "champion": 2}},
            "Version 3 was taken back, version 2 serves again.",
        ),
    ],
)
def test_what_became_of_a_decision_is_one_sentence(more: dict[str, Any], said: str) -> None:
    assert standing(decided(**more)) == said


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
