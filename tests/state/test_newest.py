"""The newest windows of many models: as each model's own queries tell them, in as many queries for three as for one."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from ml.spec import ModelSpec
from ml.state import State, batches, estimates, history, ledger, newest, specs, trainings
from ml.state.measured import Alarmed, Measured
from ml.state.records import Batch, Decision, Drift, Quality, Window
from tests.state import made

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def window(state: State, model: str, *, start: int, measured: bool = True, far: float = 0.5) -> Window:
    found = made.opened(state, made.declared(model=model), start, as_of=NOW + timedelta(days=start), rows=100)
    if measured:
        drifts = [
            Drift(column=name, kind=kind, method="psi", value=value, threshold=threshold, drifted=value >= 0.1)
            for name, kind, value, threshold in (
                ("a", "numeric", 0.2, 0.1), ("b", "numeric", far, 0.1), ("c", "numeric", 0.0, 0.0), ("prediction", "prediction", 0.9, 0.1),
            )
        ]  # fmt: skip
        quality = [Quality(metric="mae", value=2.0, rows=50)]
        made.measured(state, found, drifts=drifts, qualities=quality, labelled_rows=50, at=NOW)
        estimates.save(state, found.id, [], more={"concept": {"metric": "mae"}, "intervals": {"mae": [1.0, 3.0]}})
    return found


def decide(state: State, of: Window, *, policy: str = "p") -> Decision:
    return ledger.decide(state, made.decision(of, id=f"d-{of.id}-{policy}", decided_at=NOW, policy=policy))


def test_the_newest_window_that_came_to_an_end_is_told_with_all_that_was_seen(state: State) -> None:
    window(state, "cars", start=0)
    last = window(state, "cars", start=1, far=0.15)
    decide(state, last)
    window(state, "cars", start=2, measured=False)
    lost = window(state, "loans", start=0, measured=False)
    decide(state, lost, policy=ledger.GIVEN_UP)
    window(state, "waits", start=0, measured=False)
    found = newest.of_models(state, ["cars", "loans", "waits", "ghosts"])
    assert {name: one.window.number for name, one in found.items()} == {"cars": 2, "loans": 1, "waits": 1}
    seen = found["cars"].measured
    assert (seen.columns, seen.drifted) == (3, 2)
    assert [one.column for one in seen.alarms] == ["prediction", "a", "b"], "the farthest first"
    assert (seen.qualities[0].value, seen.intervals, seen.concept) == (2.0, {"mae": (1.0, 3.0)}, {"metric": "mae"})
    assert found["cars"].decision is not None
    assert ModelSpec.from_text(found["cars"].spec) == specs.newest(state, "cars") == made.declared(model="cars")
    assert found["loans"].decision is not None
    assert (found["waits"].decision, found["waits"].measured) == (None, Measured())
    assert newest.of_models(state, []) == {}


def test_as_many_queries_for_many_models_as_for_one(state: State) -> None:
    names = [f"m{number}" for number in range(5)]
    for name in names:
        decide(state, window(state, name, start=0))
        trainings.crown(state, model=name, version=1, kind="promote", at=NOW, by="gate", reason="x", key=name)
    asked: list[str] = []
    event.listen(state.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    counts = []
    for some in (names[:1], names):
        asked.clear()
        assert len(newest.of_models(state, some)) == len(some)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_what_was_measured_in_a_period_stands_by_its_windows(state: State) -> None:
    window(state, "cars", start=0)
    later = window(state, "cars", start=1)
    window(state, "cars", start=2, measured=False)
    asked: list[str] = []
    event.listen(state.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert history.measured(state, "cars", after=NOW) == {
        later.id: Measured(
            columns=3,
            drifted=2,
            alarms=(Alarmed("prediction", "prediction"), Alarmed("b", "numeric"), Alarmed("a", "numeric")),
            qualities=(Quality(metric="mae", value=2.0, rows=50),),
            intervals={"mae": (1.0, 3.0)},
            concept={"metric": "mae"},
        )
    }
    assert sum(one.startswith("SELECT") for one in asked) == 4


def test_the_newest_batches_come_first_and_are_bounded(state: State) -> None:
    for day, status in enumerate(("accepted", "quarantined", "accepted")):
        one = Batch(
            id=f"b{day}", model="cars", source="x", status=status, rows=1, failing_rows=0, reasons=[], arrived_at=NOW + timedelta(days=day),
            decided_at=NOW,
        )  # fmt: skip
        batches.save(state, one)
    assert [one.id for one in batches.newest(state, "cars", after=NOW, limit=5)] == ["b2", "b1"]
    assert [one.id for one in batches.newest(state, "cars", after=NOW - timedelta(days=9), limit=1)] == ["b2"]
    assert [one.id for one in batches.newest(state, "cars", limit=9, status="quarantined")] == [
        one.id for one in reversed(batches.listed(state, "cars", status="quarantined"))
    ]
    assert [len(batches.listed(state, "cars", limit=limit)) for limit in (0, 1)] == [0, 1]
    known = [[one.id for one in batches.beginning(state, "cars", prefix)] for prefix in ("b", "b2", "B2", "%", "_2")]
    assert known == [[one.id for one in batches.listed(state, "cars")], ["b2"], [], [], []]
    assert (batches.count(state, "cars", status="quarantined"), batches.count(state, "loans", status="accepted")) == (1, 0)
