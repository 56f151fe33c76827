"""Rows that were written before a migration are still there after it, with what they mean."""

from dataclasses import replace
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

import ml.state.store as store
from ml.state import State, ledger
from ml.state.records import Drift
from tests.state.test_ledger import NOW, decided
from tests.state.test_trainings import begun


def migrate(state: State, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    with state.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if to < store.HEAD else command.upgrade)(config, to)


def test_decisions_of_before_policies_had_versions_are_kept_and_may_be_claimed(state: State) -> None:
    held, waiting = decided(state, start=0), decided(state, start=1, minutes=1)
    begun(state, "run")
    with state.begin() as connection:
        connection.execute(text("UPDATE decisions SET state = 'done', claimed_by = 'run' WHERE id = :id"), {"id": held.id})
        connection.execute(text("UPDATE trainings SET decision = :id"), {"id": held.id})
    migrate(state, "0002")
    migrate(state, store.HEAD)
    found = {one.id: one for one in ledger.recent_decisions(state, "m", limit=9)}
    assert {(one.kind, one.policy, tuple(one.failures), tuple(one.rules)) for one in found.values()} == {("retrain", "0", (), ())}
    assert (found[held.id].state, found[held.id].tries, found[waiting.id].tries) == ("done", 1, 0)
    with state.begin() as connection:
        assert connection.execute(text("SELECT decision FROM trainings")).scalar() == held.id
    claimed = ledger.claim(state, "m", run="next", at=NOW)
    assert claimed is not None
    assert claimed.id == waiting.id


def test_drift_of_before_verdicts_were_kept_has_none_and_a_verdict_comes_back_as_it_was(state: State) -> None:
    said = decided(state, start=0)
    window = str(said.window)
    plain = Drift(column="a", kind="numeric", method="psi", value=0.3, threshold=0.1, drifted=True)
    judged = replace(plain, column="b", verdict={"p_value": 0.25, "looks": [True, False], "threshold": None, "also": []})
    kept = {"qualities": [], "labelled_rows": 0, "report_url": "", "mlflow_run": None, "at": NOW}
    ledger.save_measurement(state, window, drifts=[plain, judged], **kept)
    assert ledger.measurement(state, window)[0] == [plain, judged]
    migrate(state, "0003")
    migrate(state, store.HEAD)
    assert ledger.measurement(state, window)[0] == [plain, replace(judged, verdict=None)]
