"""Where a version comes from: counted and read in pages, on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from ml.errors import CallError, UnknownVersion
from ml.jobs.lineage import of
from ml.state import State, ledger, origins, trainings
from ml.state.records import Predicted
from ml.state.tables import batches
from tests.state import made
from tests.state.test_newest import decide, window

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def fill(state: State, count: int) -> None:
    """So many accepted batches of ten rows, dataset versions from 0; one in quarantine."""
    rows = [
        {
            "id": f"{number:032x}", "model": "loans", "source": "x", "status": "accepted" if number < count else "quarantined",
            "rows": 10, "failing_rows": 1, "reasons": [], "arrived_at": NOW, "decided_at": NOW,
            "dataset_version": number if number < count else None,
        }
        for number in range(count + 1)
    ]  # fmt: skip
    with state.begin() as connection:
        connection.execute(batches.insert(), rows)


def trained(state: State, *, version: int, dataset_version: int) -> None:
    made.begun(state, made.declared(), key=f"run-{version}", dataset_version=dataset_version, version=version)


def test_a_version_knows_its_batches_by_the_page_and_none_that_came_later(state: State) -> None:
    fill(state, 130)
    trained(state, version=1, dataset_version=119)
    first = of(state, "loans", 1).dataset
    assert (first.batches, first.rows, first.failing_rows, first.pages) == (120, 1200, 120, 3)
    assert [one.dataset_version for one in first.shown] == list(range(119, 69, -1))
    last = of(state, "loans", 1, page=3).dataset
    assert [one.dataset_version for one in last.shown] == list(range(19, -1, -1))
    with pytest.raises(CallError, match="no page 4: the batches fill 3"):
        of(state, "loans", 1, page=4)


def test_a_version_that_no_training_made_is_unknown(state: State) -> None:
    with pytest.raises(UnknownVersion, match="loans version 9"):
        of(state, "loans", 9)


def test_the_times_of_a_champion_end_with_the_next_change(state: State) -> None:
    for version in (1, 2):
        trained(state, version=version, dataset_version=1)
    for day, version in enumerate((1, 2, 1)):
        at = NOW + timedelta(days=day)
        trainings.crown(state, model="loans", version=version, kind="promote", at=at, by="ada", reason="r", key=str(day))
    found = of(state, "loans", 1).reigns
    assert [(one.since - NOW, one.until and one.until - NOW, one.by_version) for one in found] == [
        (timedelta(days=2), None, None),
        (timedelta(0), timedelta(days=1), 2),
    ]


def test_sums_of_predictions_only_grow(state: State) -> None:
    early = Predicted(version=1, batches=1, rows=10, files=1, first_at=NOW, last_at=NOW, url="u")
    late = Predicted(version=1, batches=2, rows=20, files=2, first_at=NOW, last_at=NOW + timedelta(hours=1), url="u")
    origins.save_predictions(state, "loans", [late])
    origins.save_predictions(state, "loans", [early])  # a process that looked before the other had written
    assert origins.predictions_of(state, "loans", 1) == late
    assert origins.predictions_of(state, "loans", 2) is None


def test_its_windows_tell_what_was_decided_first_in_one_question(state: State) -> None:
    fill(state, 5)
    trained(state, version=1, dataset_version=1)
    taken = [window(state, "loans", start=start) for start in range(3)]
    decide(state, taken[0])
    first = decide(state, taken[1])
    ledger.decide(state, replace(first, id="later", policy="q", retrain=True, decided_at=first.decided_at + timedelta(days=1)))
    asked: list[str] = []
    event.listen(state.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    found = of(state, "loans", 1)
    assert [one.retrain for one in found.newest_windows] == [None, False, False]
    assert sum("FROM decisions" in query for query in asked) == 1
