"""What earlier trainings say: what is usual of fresh models."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from ml.jobs import past
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, specs, tables, trainings
from tests.data.models import spec_of
from tests.jobs.test_estimating import verdict
from tests.state import made
from tests.state.made import NOW


def trained(state: State, number: int, declared: ModelSpec) -> None:
    """A challenger that scored `number` hundredths."""
    ended = NOW + timedelta(days=number)
    facts = {"key": f"k{number}", "model": declared.model, "state": "challenger", "started_at": ended, "finished_at": ended}
    spec_hash = specs.remember(state, declared, at=NOW)
    trainings.begin(state, made.training(**facts, spec_hash=spec_hash, verdict=verdict({"accuracy": number / 100})))


def test_trainings_whose_declaration_cannot_be_read_any_more_are_left_out_of_what_is_usual(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    state, declared = State.open(settings), spec_of()
    old = declared.model_copy(update={"description": "of an earlier version"})
    for number in range(8):
        trained(state, number, old if number % 2 else declared)
    asked = {"model": declared.model, "metric": "accuracy", "at": NOW + timedelta(days=30)}
    assert len(past.fresh_scores(state, declared, **asked)) == 8
    with state.begin() as connection:
        broken = update(tables.specs).where(tables.specs.c.hash == old.hash())
        connection.execute(broken.values(text=old.to_text().replace("of an earlier version", '", "a key of then": "')))
    assert past.fresh_scores(state, declared, **asked) == [("k6", 0.06), ("k4", 0.04), ("k2", 0.02), ("k0", 0.0)]
    [warning] = [one.message for one in caplog.records if one.name == past.__name__]
    assert warning == f"scores left out, declarations of another version model={declared.model} declarations=1 first={old.hash()}"
