"""Training runs and champions: what is settled stays settled, and two winners at once make one champion."""

import threading
from datetime import UTC, datetime, timedelta

from ml.state import State, batches, ledger, trainings
from ml.state.records import Promotion, Training
from ml.state.sql import insert_once
from ml.state.tables import specs
from tests.state import made
from tests.state.test_ledger import NOW, decided
from tests.state.test_store import batch


def begun(state: State, key: str = "run") -> Training:
    with state.begin() as connection:
        insert_once(connection, specs, {"hash": "0" * 16, "model": "m", "text": "{}", "first_used_at": NOW})
    return trainings.begin(state, made.training(key=key, dataset_version=3, reason="r", state="running"))


def crown(state: State, version: int, **changes: object) -> Promotion | None:
    facts = {"model": "m", "version": version, "kind": "promote", "at": NOW, "by": "t", "reason": "r", "key": f"k{version}"}
    return trainings.crown(state, **(facts | changes))  # type: ignore[arg-type]


def test_the_first_verdict_stays(state: State) -> None:
    begun(state)
    assert trainings.settle(state, "run", {"wins": True}).verdict == {"wins": True}
    assert trainings.settle(state, "run", {"wins": False}).verdict == {"wins": True}


def test_a_run_that_is_begun_again_keeps_its_frozen_inputs(state: State) -> None:
    first = begun(state)
    trainings.change(state, "run", state="failed")
    assert begun(state).dataset_version == first.dataset_version
    assert begun(state).state == "failed"


def test_a_crown_is_refused_when_the_champion_is_not_the_expected_one(state: State) -> None:
    assert crown(state, 1, expected=None) is not None
    assert crown(state, 2, expected=None) is None
    second = crown(state, 2, expected=1)
    assert second is not None
    assert second.previous == 1
    assert crown(state, 2, expected=1) == second
    assert [one.version for one in trainings.promotion_history(state, "m")] == [1, 2]


def test_of_eight_winners_against_the_same_champion_one_is_crowned(state: State) -> None:
    crown(state, 1)
    crowned: list[int] = []
    gate = threading.Barrier(8)

    def run(version: int) -> None:
        gate.wait()
        if crown(state, version, expected=1) is not None:
            crowned.append(version)

    threads = [threading.Thread(target=run, args=(version,)) for version in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(crowned) == 1
    assert [one.version for one in trainings.promotion_history(state, "m")] == [1, crowned[0]]


def test_a_renewed_lease_holds_longer(state: State) -> None:
    one = decided(state, start=0)
    ledger.claim(state, "m", run="a", at=NOW, lease=timedelta(hours=1))
    ledger.hold(state, one.id, run="a", at=NOW + timedelta(minutes=50), lease=timedelta(hours=1))
    assert ledger.open_decisions(state, "m", at=NOW + timedelta(minutes=100)) == []
    assert len(ledger.open_decisions(state, "m", at=NOW + timedelta(minutes=111))) == 1


def test_how_a_batch_stood_at_a_moment_is_remembered(state: State) -> None:
    monday, tuesday = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
    batches.save(state, batch(status="quarantined", dataset_version=None, decided_at=monday))
    batches.save(state, batch(status="quarantined", dataset_version=None, decided_at=monday + timedelta(hours=1)))
    batches.save(state, batch(status="accepted", dataset_version=4, decided_at=tuesday))
    assert [(one.status, one.dataset_version) for one in batches.history(state, "m", "b1")] == [("quarantined", None), ("accepted", 4)]
    assert batches.statuses(state, "m", as_of=monday - timedelta(seconds=1)) == {}
    assert batches.statuses(state, "m", as_of=tuesday - timedelta(seconds=1)) == {"b1": "quarantined"}
    assert batches.statuses(state, "m", as_of=tuesday) == {"b1": "accepted"}
