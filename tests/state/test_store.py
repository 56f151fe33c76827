"""The state database: migrations are complete, times keep their zone, faults say what to do."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr

import ml.state.store as store
from ml.errors import SpecError, StoreUnavailable
from ml.settings import Settings
from ml.state import State, batches, specs, trainings
from ml.state.records import Batch
from ml.state.tables import metadata


def batch(**changes: object) -> Batch:
    now = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    values = {
        "id": "b1",
        "model": "m",
        "source": "f.csv",
        "status": "accepted",
        "rows": 3,
        "failing_rows": 0,
        "reasons": [],
        "arrived_at": now,
        "decided_at": now,
        "dataset_version": 0,
    }
    return Batch(**(values | changes))  # type: ignore[arg-type]


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(state: State) -> None:
    with state.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": store.VERSION_TABLE})
        found = compare_metadata(context, metadata)
    # SQLite keeps no time zones: DateTime(timezone=True) reads back without.
    assert [step for step in found if "UtcTime" not in str(step)] == []


def test_head_names_the_newest_migration() -> None:
    files = (Path(store.__file__).parent / "migrations" / "versions").glob("*.py")
    numbers = sorted(match[1] for file in files if (match := re.match(r"(\d{4})_", file.name)))
    assert numbers[-1] == store.HEAD


def test_opening_at_the_same_time_migrates_once(settings: Settings) -> None:
    def open_anew(_: int) -> str | None:
        store._open.cache_clear()
        return store._version(State.open(settings))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(open_anew, range(8))) == {store.HEAD}


def test_times_come_back_in_utc(state: State) -> None:
    batches.save(state, batch())
    found = batches.find(state, "m", "b1")
    assert found is not None
    assert found.arrived_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert found.arrived_at.utcoffset() == timedelta(0)


def test_saving_a_batch_again_keeps_its_first_arrival(state: State) -> None:
    batches.save(state, batch(status="quarantined"))
    batches.save(state, batch(arrived_at=datetime(2026, 4, 1, tzinfo=UTC), status="accepted"))
    [found] = batches.listed(state, "m")
    assert (found.status, found.arrived_at.month) == ("accepted", 3)


def test_champion_of_a_moment_and_crowning_twice(state: State) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for version in (1, 2):
        for _ in range(2):
            trainings.crown(
                state,
                model="m",
                version=version,
                kind="promote",
                at=start + timedelta(days=version),
                by="test",
                reason="r",
                key=f"k{version}",
            )
    history = trainings.promotion_history(state, "m")
    assert [(one.version, one.previous) for one in history] == [(1, None), (2, 1)]
    assert trainings.champion(state, "m", as_of=start) is None
    then = trainings.champion(state, "m", as_of=start + timedelta(days=1, hours=1))
    assert then is not None
    assert then.version == 1


def test_a_database_that_does_not_answer_says_so_without_its_password(settings: Settings) -> None:
    url = "postgresql://someone:topsecret@127.0.0.1:1/none"
    with pytest.raises(StoreUnavailable, match="state database did not answer") as caught:
        State.open(settings.model_copy(update={"state_url": SecretStr(url)}))
    assert "topsecret" not in str(caught.value)
    assert caught.value.retryable


def test_an_unwritable_home_is_a_store_fault(settings: Settings) -> None:
    target = "sqlite:////proc/none/state.db"  # not even root may write there
    with pytest.raises(StoreUnavailable):
        State.open(settings.model_copy(update={"state_url": SecretStr(target)}))


def test_a_stored_declaration_that_is_no_longer_accepted_is_named(settings: Settings) -> None:
    state = State.open(settings)
    with state.begin() as connection:
        kept = {"hash": "abc123", "model": "old", "text": '{"model": "old", "task": "ranking"}'}
        connection.execute(specs.specs.insert().values(**kept, first_used_at=datetime(2026, 1, 1, tzinfo=UTC)))
    for read in (lambda: specs.recall(state, "abc123"), lambda: specs.newest(state, "old")):
        with pytest.raises(SpecError, match=r"declaration abc123 .* than this one \(\d+\.\d+.*\), which does not accept it: \w+: "):
            read()
