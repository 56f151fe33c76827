"""How all models stand, in few queries: the same answers on SQLite and on PostgreSQL."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from ml.jobs.declared import Declared
from ml.jobs.overview import _rows
from ml.settings import Settings
from ml.state import State, alerts, approvals, batches, history, ledger, overview, trainings
from ml.state.records import Approval, Batch, Decision, Drift, Quality, Window
from ml.state.tables import details
from tests.state import made
from tests.state.made import NOW

MODELS = ["m", "n", "empty"]
SPEC = made.declared(model="m", task="binary", positive=1, promotion={"metric": "accuracy"})


def window(state: State, *, start: int, model: str = "m", as_of: datetime = NOW) -> Window:
    return made.opened(state, SPEC, start, model=model, as_of=as_of)


def measured(state: State, found: Window, *, shares: Sequence[bool], quality: float | None = None) -> Window:
    """A window in which these columns were compared; whether each drifted."""
    drifts = [
        Drift(column=f"c{place}", kind="numeric", method="psi", value=float(is_far), threshold=0.5, drifted=is_far)
        for place, is_far in enumerate(shares)
    ]
    drifts.append(Drift(column="y", kind="target", method="psi", value=1, threshold=0.5, drifted=True))
    qualities = [] if quality is None else [Quality(metric="accuracy", value=quality, rows=50), Quality(metric="f1", value=0.1, rows=50)]
    return made.measured(state, found, drifts=drifts, qualities=qualities, labelled_rows=len(qualities) * 25)


def decided(found: Window, *, minutes: int, state: str = "no") -> Decision:
    at, asks = NOW + timedelta(minutes=minutes), state != "no"
    known = {"retrain": asks, "reasons": [f"at {minutes}"], "evidence": {"much": 1}, "state": state, "decided_at": at}
    return made.decision(found, id=f"d-{found.id}-{minutes}", policy=str(minutes), **known)


def test_the_newest_windows_of_each_model_with_their_drift_but_not_the_targets(state: State) -> None:
    for start in range(4):
        measured(state, window(state, start=start), shares=[start > 1, False])
    measured(state, window(state, start=0, model="n"), shares=[])
    with state.reader.begin() as connection:
        newest = overview.newest(connection, MODELS)
        found = overview.looks(connection, newest, most=3)
    assert newest == {"m": 4, "n": 1}
    assert [(one.number, one.columns, one.drifted, one.share) for one in found["m"]] == [(2, 2, 0, 0.0), (3, 2, 1, 0.5), (4, 2, 1, 0.5)]
    assert [(one.number, one.share, one.is_measured) for one in found["n"]] == [(1, None, True)], "nothing was compared"
    assert "empty" not in found


def test_quality_is_that_of_the_newest_window_that_labels_told_it_of_with_its_interval(state: State) -> None:
    first, second, third = (window(state, start=start) for start in range(3))
    measured(state, first, shares=[], quality=0.7)
    measured(state, second, shares=[], quality=0.8)
    measured(state, third, shares=[])
    with state.begin() as connection:
        connection.execute(details.insert().values(window=second.id, kind="intervals", content={"accuracy": [0.75, 0.85]}))
        newest = overview.newest(connection, MODELS)
        found = overview.judged(connection, {"m": "accuracy", "n": "accuracy"}, newest, most=3)
        other = overview.judged(connection, {"m": "roc_auc"}, newest, most=3)
        recent = overview.judged(connection, {"m": "accuracy"}, newest, most=1)
    assert (found["m"].number, found["m"].value, found["m"].low, found["m"].high, found["m"].rows) == (2, 0.8, 0.75, 0.85, 50)
    assert other == {}
    assert recent == {}, "no farther back than was asked"


def test_decisions_are_told_newest_first_and_page_by_page_without_their_evidence(state: State) -> None:
    found = window(state, start=0)
    for minutes, name in enumerate(("no", "open", "suggested", "no")):
        ledger.decide(state, decided(found, minutes=minutes, state=name))
    with state.reader.begin() as connection:
        said = overview.said(connection, MODELS)
        pages = [overview.recent(connection, "m", most=2, skip=skip) for skip in (0, 2, 4)]
        standing = overview.standing(connection, MODELS)
    assert said.keys() == {"m"}
    assert said["m"].reasons == ["at 3"]
    assert [[one.reasons[0] for one in page] for page in pages] == [["at 3", "at 2"], ["at 1", "at 0"], []]
    assert standing == {"m": {"open": 1, "suggested": 1}}
    whole, brief = (history.decided(state, "m", after=NOW - timedelta(days=1), evidence=kept) for kept in (True, False))
    assert brief == [replace(one, evidence={}) for one in whole]


def test_the_champion_is_that_of_the_last_change(state: State) -> None:
    for version, kind in ((1, "promote"), (2, "promote"), (1, "rollback")):
        at = NOW + timedelta(days=version)
        trainings.crown(state, model="cars", version=version, kind=kind, at=at, by="x", reason="x", key=f"{version}{kind}")
    with state.reader.begin() as connection:
        found = overview.champions(connection, ["cars", "loans"])
    assert {name: (one.version, one.at) for name, one in found.items()} == {"cars": (1, NOW + timedelta(days=2))}


def test_what_waits_for_people_is_counted(state: State) -> None:
    for name, status in (("a", "quarantined"), ("b", "quarantined"), ("c", "accepted")):
        known = {"source": "s", "rows": 1, "failing_rows": 0, "reasons": [], "arrived_at": NOW, "decided_at": NOW}
        batches.save(state, Batch(id=name, model="m", status=status, **known))
    for key in ("open", "answered"):
        made.begun(state, SPEC, key=key, model="n", state="running")
        approvals.ask(state, Approval(training=key, model="n", asked_at=NOW, until=NOW))
    approvals.answer(state, "answered", approved=True, by="ada", at=NOW)
    with state.reader.begin() as connection:
        assert overview.quarantined(connection, MODELS) == {"m": 2}
        assert overview.asked(connection, MODELS) == {"n": 1}


def test_where_the_newest_windows_begin_and_where_everything_began(state: State) -> None:
    opened = [window(state, start=start, as_of=NOW + timedelta(days=start)) for start in range(3)]
    with state.reader.begin() as connection:
        assert overview.begin_of(connection, "m", most=2) == opened[0].as_of
        assert overview.begin_of(connection, "m", most=3) is None
        assert overview.first_of(connection, "m") == NOW
        assert overview.first_of(connection, "empty") is None


def test_the_number_of_queries_does_not_grow_with_the_models(state: State) -> None:
    for name in ("a", "b", "c", "d"):
        measured(state, window(state, start=0, model=name), shares=[True], quality=0.5)
    asked: list[str] = []
    event.listen(state.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    counts = []
    for names in (["a"], ["a", "b", "c", "d"]):
        asked.clear()
        _rows(state.reader, [Declared(name, SPEC, ()) for name in names])
        counts.append(len(asked))
    assert counts[0] == counts[1] > 5


def test_conditions_that_are_not_over_are_told(state: State) -> None:
    one = {"key": "drift", "kind": "drift", "title": "Drift", "text": "7 of 11", "window": None}
    alerts.change(state, "m", "chat", opened=[one, {**one, "key": "quality"}], closed={}, reopened=[], at=NOW)
    first, second = alerts.opened(state, "m")
    alerts.change(state, "m", "chat", opened=[], closed={first.number: "over"}, reopened=[], at=NOW)
    assert alerts.opened(state, "m") == [second]


def test_who_only_reads_waits_for_no_writer(settings: Settings) -> None:
    state = State.open(settings)
    seen = threading.Event()

    def look() -> None:
        ledger.last_window(state.reader, "m")
        seen.set()

    with state.begin():
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        assert seen.wait(10), "a page waits for as long as a writer holds the database"
    thread.join(10)


@pytest.mark.parametrize("most", [1, 5])
def test_a_model_without_windows_is_no_fault(state: State, most: int) -> None:
    with state.reader.begin() as connection:
        assert overview.looks(connection, {}, most=most) == {}
        assert overview.judged(connection, {}, {}, most=most) == {}
        assert overview.said(connection, []) == {}
