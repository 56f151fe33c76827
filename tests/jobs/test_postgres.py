"""PostgreSQL, a real server: as the source of a model's rows, and as the state database of the whole loop."""

import secrets
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import psycopg
import pytest
from pydantic import SecretStr

from ml.data import deliveries
from ml.data.table import AcceptedTable
from ml.errors import ModelOwnerError, StoreUnavailable
from ml.jobs import monitor, quarantine
from ml.jobs.ingest import BatchResult, ingest
from ml.jobs.new import new
from ml.jobs.status import status
from ml.jobs.train import train
from ml.settings import Settings
from ml.state import State
from tests.data.models import declare
from tests.jobs.test_ingest import between, expect

QUERY = 'SELECT loan, applied, income, age, region, note, "default" FROM loans ORDER BY loan'
TABLE = """
CREATE TABLE loans (
    loan integer PRIMARY KEY, applied timestamptz NOT NULL, income numeric(12, 2), age double precision,
    region text, note jsonb, "default" boolean
)
"""
ROWS = """
INSERT INTO loans VALUES
    (1, '2024-05-01 02:00:00+02', 1234567890.12, 40, 'north', '{"b": 1, "a": [2]}', true),
    (2, '2024-05-01 12:30:00.123456-05', NULL, 41.5, NULL, NULL, false),
    (3, '2024-05-02 00:00:00+00', 0.10, 42, 'süd', NULL, NULL)
"""


@pytest.fixture
def database(postgres_url: str) -> str:
    """The URL of an empty database."""
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def loans(database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A model that is fed by a query on a server with a password."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute(ROWS)
    monkeypatch.setenv("LOANS_PASSWORD", "s3cret/@:word")
    source = {"kind": "sql", "url": database.replace("postgres:@", "postgres:${LOANS_PASSWORD}@"), "query": QUERY}
    assert "${LOANS_PASSWORD}" in source["url"]
    declare(settings, data={"source": source}, positive="True")
    expect(settings, between("age", 18, 100))
    return settings


def only(settings: Settings) -> BatchResult:
    (batch,) = ingest(settings, "loans").batches
    return batch


def test_each_different_result_of_a_query_is_one_batch(loans: Settings, database: str) -> None:
    first, again = only(loans), only(loans)
    assert (first.status, first.rows, first.source, again.status) == ("accepted", 3, "sql:loans", "duplicate")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE loans SET age = 43 WHERE loan = 3")
    changed = only(loans)
    assert (changed.status, changed.rows) == ("accepted", 3)
    assert changed.id != first.id
    assert changed.warnings[0].startswith("3 of 3 ids are in accepted batches already")
    assert only(loans).status == "duplicate"


def test_the_types_of_a_database_arrive_as_they_are_declared(loans: Settings) -> None:
    version = only(loans).dataset_version
    assert version is not None
    found = AcceptedTable.of(loans, "loans").read(version=version)
    assert found["loan"].tolist() == ["1", "2", "3"]
    assert found["applied"].tolist() == [
        pd.Timestamp("2024-05-01 00:00:00+00:00"),
        pd.Timestamp("2024-05-01 17:30:00.123456+00:00"),
        pd.Timestamp("2024-05-02 00:00:00+00:00"),
    ]
    np.testing.assert_array_equal(found["income"], [1234567890.12, np.nan, 0.1])
    assert found["age"].tolist() == [40, 41.5, 42]
    assert found["region"].tolist() == ["north", None, "süd"]
    assert found["note"].tolist() == ['{"a": [2], "b": 1}', None, None]
    assert found["default"].tolist() == ["True", "False", None]


def test_numbers_that_are_none_are_told_by_row(loans: Settings, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE loans SET income = 'NaN', age = 'Infinity' WHERE loan = 2")
    batch = only(loans)
    assert (batch.status, batch.failing_rows) == ("quarantined", 1)
    assert "column 'age': 1 values are not finite numbers" in batch.reasons[0]
    (failing,) = quarantine.show(loans, "loans", batch.id).first_failures
    assert (failing.row, failing.column) == (2, "age")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("postgresql://nobody:${LOANS_PASSWORD}@/loans?host={socket}", StoreUnavailable, 'role "nobody" does not exist'),
        ("postgresql://postgres:${LOANS_PASSWORD}@127.0.0.1:1/loans", StoreUnavailable, "did not answer or refused the query"),
        ("postgresql://postgres:${LOANS_PASSWORD}@/nowhere?host={socket}", StoreUnavailable, 'database "nowhere" does not exist'),
        ("nosuch://x/y", ModelOwnerError, "not a database URL that can be used here"),
        ("postgresql://postgres:${NOT_SET}@/loans", ModelOwnerError, "the environment has no variable NOT_SET"),
    ],
)
def test_a_database_that_does_not_let_in_is_named_without_its_password(
    loans: Settings, database: str, url: str, error: type[Exception], message: str
) -> None:
    socket = database.partition("host=")[2]
    declare(loans, data={"source": {"kind": "sql", "url": url.replace("{socket}", socket), "query": QUERY}})
    with pytest.raises(error, match=message) as raised:
        ingest(loans, "loans")
    assert "s3cret" not in str(raised.value)
    assert quote("s3cret/@:word", safe="") not in str(raised.value)


def test_a_query_with_a_fault_is_named(loans: Settings, database: str) -> None:
    declare(loans, data={"source": {"kind": "sql", "url": database, "query": "SELECT nothing FROM loans"}})
    with pytest.raises(ModelOwnerError, match='column "nothing" does not exist'):
        ingest(loans, "loans")


def applications(count: int, *, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    income = rng.normal(1000 + 200 * shift, 50, count).round(2)
    return pd.DataFrame(
        {
            "loan": [f"L{seed}-{number}" for number in range(count)],
            "applied": pd.date_range(f"2024-0{seed}-01", periods=count, freq="h").strftime("%Y-%m-%d %H:%M:%S"),
            "income": income,
            "age": rng.integers(20, 60, count),
            "region": rng.choice(["north", "south"], count),
            "default": (income + rng.normal(0, 30, count) < 1000 + 200 * shift).astype(int),
        }
    )


def test_the_whole_loop_runs_with_its_state_on_postgresql(
    settings: Settings, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "SETTLE_S", 0.02)
    here = settings.model_copy(update={"state_url": SecretStr(database)})
    first, broken, changed = (tmp_path / name for name in ("first.csv", "broken.csv", "changed.csv"))
    applications(400, seed=1).to_csv(first, index=False)
    applications(50, seed=2).assign(income="much").to_csv(broken, index=False)
    applications(600, seed=3, shift=1).to_csv(changed, index=False)
    new(here, name="loans", source=str(first), target="default", time="applied", id="loan")
    path = here.dags / "loans" / "model.yaml"
    path.write_text(path.read_text().replace("trials: 8", "trials: 1").replace("n_estimators: 200", "n_estimators: 20"))

    assert [batch.status for batch in ingest(here, "loans").batches] == ["accepted"]
    assert train(here, "loans").promoted
    assert [batch.status for batch in ingest(here, "loans", [str(broken), str(changed)]).batches] == ["quarantined", "accepted"]
    (held,) = quarantine.listed(here, "loans").batches
    released = quarantine.release(here, "loans", held.id)
    assert (released.id, released.status, released.failing_rows) == (held.id, "quarantined", 50)
    look = monitor.monitor(here, "loans")
    assert look.window is not None
    assert look.window.rows == 600
    assert look.decision is not None
    assert (look.decision.retrain, look.decision.state) == (True, "open")
    assert len(status(here, "loans").models[0].open_decisions) == 1
    assert train(here, "loans").version == 2
    (model,) = status(here, "loans").models
    assert model.batches == {"accepted": 2, "quarantined": 1}
    assert model.open_decisions == []
    assert model.champion is not None
    assert not (settings.home / "state.db").exists()
    State.open(here).engine.dispose()
