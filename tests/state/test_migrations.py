"""Rows that were written before a migration are still there after it, with what they mean."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table, text

import ml.state.store as store
from ml.errors import OperatorError
from ml.settings import Settings
from ml.state import State, ledger
from ml.state.records import Drift, Quality
from ml.state.tables import metadata
from tests.state.test_ledger import NOW, decided


def at_version(state: State, version: str) -> None:
    """Makes the tables anew, as they were by that migration, without rows."""
    with state.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE {store.VERSION_TABLE}"))
    migrate(state, version)


def migrate(state: State, to: str, *, back: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    with state.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if back else command.upgrade)(config, to)


def rows(state: State, table: str, *found: dict[str, Any]) -> None:
    """Writes rows into a table as it is now, not as the code knows it."""
    with state.begin() as connection:
        as_it_is = Table(table, MetaData(), autoload_with=connection)
        connection.execute(as_it_is.insert(), list(found))


def old_window(state: State, number: int, **changes: Any) -> str:
    """The id of a window as it was written before policies had versions."""
    name = f"m-{number:06}"
    facts = {"id": name, "model": "m", "number": number, "start_version": number, "end_version": number + 1, "as_of": NOW, "rows": 500}
    rows(state, "windows", {**facts, "champion": 1, "spec_hash": "s", **changes})
    return name


def old_decision(name: str, **changes: Any) -> dict[str, Any]:
    facts = {"id": f"decision-{name}", "model": "m", "window": name, "retrain": True, "reasons": ["drift"], "evidence": {}, "state": "open"}
    return {**facts, "decided_at": NOW, **changes}


def old_spec(state: State) -> None:
    rows(state, "specs", {"hash": "s", "model": "m", "text": "{}", "first_used_at": NOW})


def test_decisions_of_before_policies_had_versions_are_kept_and_may_be_claimed(state: State) -> None:
    at_version(state, "0002")
    old_spec(state)
    held, waiting = old_decision(old_window(state, 1), state="done", claimed_by="run"), old_decision(old_window(state, 2))
    rows(state, "decisions", held)
    rows(state, "decisions", waiting)
    training = {"key": "run", "model": "m", "spec_hash": "s", "dataset_version": 1, "as_of": NOW, "reason": "r", "decision": held["id"]}
    rows(state, "trainings", {**training, "state": "promoted", "started_at": NOW})
    migrate(state, store.HEAD)
    found = {one.id: one for one in ledger.recent_decisions(state, "m", limit=9)}
    assert {(one.kind, one.policy, tuple(one.failures), tuple(one.rules)) for one in found.values()} == {("retrain", "0", (), ())}
    assert (found[held["id"]].state, found[held["id"]].tries, found[waiting["id"]].tries) == ("done", 1, 0)
    with state.begin() as connection:
        assert connection.execute(text("SELECT decision FROM trainings")).scalar() == held["id"]
    claimed = ledger.claim(state, "m", run="next", at=NOW)
    assert claimed is not None
    assert claimed.id == waiting["id"]


def test_drift_of_before_verdicts_were_kept_has_none(state: State) -> None:
    at_version(state, "0003")
    old_spec(state)
    window = old_window(state, 1, measured_at=NOW)
    plain = {"column": "a", "kind": "numeric", "method": "psi", "value": 0.3, "threshold": 0.1, "drifted": True}
    rows(state, "drift", {"window": window, **plain})
    rows(state, "quality", {"window": window, "metric": "accuracy", "value": 0.5, "rows": 9})
    migrate(state, store.HEAD)
    drifts, qualities = ledger.measurement(state, window)
    assert drifts == [Drift(**plain)]  # type: ignore[arg-type]
    assert qualities == [Quality(metric="accuracy", value=0.5, rows=9)]


def test_quality_whose_positives_were_counted_stays_without_them(state: State) -> None:
    at_version(state, "0009")
    old_spec(state)
    window = old_window(state, 1, measured_at=NOW)
    rows(state, "quality", {"window": window, "metric": "accuracy", "value": 0.5, "rows": 9, "positives": 3})
    migrate(state, store.HEAD)
    assert ledger.measurement(state, window)[1] == [Quality(metric="accuracy", value=0.5, rows=9)]


def test_a_verdict_comes_back_as_it_was(state: State) -> None:
    window = str(decided(state, start=0).window)
    verdict = {"p_value": 0.25, "looks": [True, False], "threshold": None, "also": []}
    judged = Drift(column="b", kind="numeric", method="psi", value=0.3, threshold=0.1, drifted=True, verdict=verdict)
    kept = {"qualities": [], "labelled_rows": 0, "report_url": "", "mlflow_run": None, "at": NOW}
    ledger.save_measurement(state, window, drifts=[judged], **kept)  # type: ignore[arg-type]
    assert ledger.measurement(state, window)[0] == [judged]


def test_no_migration_goes_back_and_what_is_there_stays(state: State) -> None:
    held = decided(state, start=0)
    numbers = sorted(one.name[:4] for one in (Path(store.__file__).parent / "migrations" / "versions").glob("0*.py"))
    for version in ("base", *numbers[:-1]):
        with pytest.raises(OperatorError, match=r"would lose decisions\. Restore the copy"):
            migrate(state, version, back=True)
    assert ledger.find_decision(state, held.id) == held


def test_a_database_of_a_newer_version_is_refused_and_says_so(settings: Settings) -> None:
    state = State.open(settings)
    with state.begin() as connection:
        connection.execute(text(f"UPDATE {store.VERSION_TABLE} SET version_num = '9999'"))
    store._open.cache_clear()
    with pytest.raises(OperatorError, match=r"of a newer Perennial \(tables of version 9999, this one knows"):
        State.open(settings)
