"""The best candidate that can be fitted, asked and saved goes to the gate; better ones that cannot are left out, and said so."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from ml.errors import CandidateError
from ml.jobs import contenders, deadline
from ml.jobs import train as jobs
from ml.registry import files, models
from ml.registry.client import tracking
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, trainings
from tests.jobs.test_train import ask
from tests.training.worlds import LOGISTIC, accept, declare, visits, with_mlflow

ROWS_IN_A_FOLD = 160
"""To learn from, of 300 rows in three folds; the whole development part has 240."""


class Fussy(LogisticRegression):  # type: ignore[misc]
    """Does well in the folds, and fails on more rows."""

    def fit(self, rows: Any, *args: Any, **kwargs: Any) -> Any:
        if rows.shape[0] > ROWS_IN_A_FOLD:
            raise MemoryError("too many rows")
        return super().fit(rows, *args, **kwargs)


class Unsaved(LogisticRegression):  # type: ignore[misc]
    """Holds what cannot be saved without pickle."""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        self.shown_ = lambda: "a function"
        return super().fit(*args, **kwargs)


class Crowded(LogisticRegression):  # type: ignore[misc]
    """Says nothing about one row alone."""

    def predict_proba(self, rows: Any) -> Any:
        if rows.shape[0] == 1:
            raise ValueError("one row is no crowd")
        return super().predict_proba(rows)


def of(made: type) -> dict[str, Any]:
    """As good as `LOGISTIC`, and named before it: so it is the best one."""
    return {**LOGISTIC, "name": made.__name__.lower(), "class": f"{__name__}.{made.__name__}"}


WHY = {
    Fussy: r"candidate 'fussy': .*Fussy failed to fit with .*MemoryError: too many rows",
    Unsaved: r"Unsaved holds types that are not trusted: .*<lambda>|Unsaved cannot be saved without pickle",
    Crowded: r"candidate 'crowded': .*Crowded failed to be measured with .*one row is no crowd",
}


@pytest.fixture
def home(settings: Settings) -> Settings:
    return with_mlflow(settings)


def declared(home: Settings, *candidates: dict[str, Any], **training: Any) -> ModelSpec:
    spec = declare(home, training={"candidates": list(candidates), **training})
    accept(home, spec, visits(300), batch="a" * 32)
    return spec


def test_by_hand_the_next_best_one_is_taken_and_it_is_said_why(home: Settings, caplog: pytest.LogCaptureFixture) -> None:
    declared(home, *(of(made) for made in WHY), LOGISTIC)
    said: list[str] = []
    result = jobs.train(home, "shop", run="one", on_progress=said.append)
    assert (result.candidate, result.version, result.promoted) == ("logistic", 1, True)
    told = [line for line in said if line.startswith("left out: ")]
    assert len(told) == len(WHY)
    assert all(re.search(why, line) for why, line in zip(WHY.values(), told, strict=True))
    assert result.warnings[-len(WHY) :] == told
    names = [made.__name__.lower() for made in WHY]
    assert all(f"candidate left out at the gate model=shop run=one candidate={name}" in caplog.text for name in names)
    training = trainings.get(State.open(home), "one")
    assert training.verdict is not None
    checks = training.verdict["reasons"][-len(WHY) :]
    assert [(one["name"], one["passed"], one["text"]) for one in checks] == [
        (f"candidate {name}", None, line) for name, line in zip(names, told, strict=True)
    ]
    card = files.load(home, "shop", mlflow_run=str(training.mlflow_run), name="card.md")
    assert card is not None
    assert all(f"candidate {name}" in card.decode() for name in names)
    with tracking(home, "shop") as mlflow:
        assert len(mlflow.client.search_logged_models([mlflow.experiment])) == 1


def test_where_all_are_left_out_the_training_fails_names_each_and_registers_nothing(home: Settings) -> None:
    spec = declared(home, of(Fussy), of(Unsaved))
    decision = ask(home, spec)
    with pytest.raises(CandidateError) as caught:
        jobs.train(home, "shop", run="one")
    first, second = str(caught.value).split("\n")
    assert first.startswith("candidate fussy was left out: candidate 'fussy': ")
    assert second.startswith("candidate unsaved was left out: ")
    assert models.versions(home, "shop") == []
    state = State.open(home)
    assert trainings.get(state, "one").state == "failed"
    assert decision.window is not None
    found = ledger.decision_for(state, decision.window)
    assert found is not None
    assert found.state == "open"


def test_each_one_has_the_time_of_a_candidate_at_the_gate(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = declared(home, LOGISTIC)
    jobs.freeze(home, "shop", run="one", trigger="manual")
    jobs.tune(home, run="one", candidate="logistic")
    state = State.open(home)
    monkeypatch.setattr(deadline, "_GRACE_S", 0.2)
    monkeypatch.setattr(deadline, "_AGAIN_S", 0.1)
    monkeypatch.setattr("ml.training.contest.hold", lambda *_: time.sleep(60))
    hurried = spec.model_copy(update={"training": spec.training.model_copy(update={"timeout": timedelta(seconds=0.5)})})
    with pytest.raises(
        CandidateError, match=r"candidate logistic was left out: 'logistic' was ended: it took longer than training\.timeout"
    ):
        contenders.meet(home, state, hurried, trainings.get(state, "one"), lambda _: None)
