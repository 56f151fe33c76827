"""Watches and approvals in the database: a cursor moves once, an answer stays, and an older database is brought up to date."""

import threading
from dataclasses import replace
from datetime import timedelta

import ml.state.store as store
from ml.state import State, approvals, forget, trainings, watches
from ml.state.records import Approval, Promotion, Watch
from tests.state.test_ledger import NOW
from tests.state.test_migrations import at_version, migrate, rows
from tests.state.test_trainings import begun, crown


def watched(state: State) -> Watch:
    crown(state, 1)
    change = crown(state, 2)
    assert change is not None
    return watches.begin(
        state,
        Watch(
            promotion=change.number,
            model="m",
            version=2,
            former=1,
            until=NOW + timedelta(days=30),
            after_version=3,
            known_version=4,
            known_labels=-1,
            looks=0,
            dataset_version=4,
            labels_version=-1,
            as_of=NOW,
            measure=None,
            wealth=None,
            rows=0,
            loss=0.0,
            former_loss=0.0,
            gain=None,
            state="watching",
            reason=None,
            updated_at=NOW,
        ),
    )


def advance(state: State, watch: Watch, *, rows: int = 10) -> Watch | None:
    return watches.advance(
        state,
        watch,
        dataset_version=5,
        labels_version=0,
        as_of=NOW + timedelta(days=1),
        measure={"metric": "accuracy"},
        wealth={"log_wealth": [0.5]},
        rows=rows,
        loss=2.0,
        former_loss=1.0,
        gain={"rows": rows},
    )


def test_a_watch_is_begun_once(state: State) -> None:
    first = watched(state)
    assert watches.begin(state, replace(first, former=9)) == first
    assert watches.of_model(state, "m") == {first.promotion: first}


def test_rows_are_counted_by_the_first_of_two_looks_that_read_the_same(state: State) -> None:
    first = watched(state)
    counted = advance(state, first)
    assert counted is not None
    assert (counted.rows, counted.loss, counted.looks, counted.dataset_version) == (10, 2.0, 1, 5)
    assert advance(state, first) is None
    again = advance(state, counted, rows=5)
    assert again is not None
    assert (again.rows, again.former_loss) == (15, 2.0)


def test_of_eight_looks_at_once_one_counts(state: State) -> None:
    first = watched(state)
    counted: list[Watch | None] = []
    gate = threading.Barrier(8)

    def look() -> None:
        gate.wait()
        counted.append(advance(state, first))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in counted) == 1


def test_a_watch_ends_once_and_counts_nothing_afterwards(state: State) -> None:
    first = watched(state)
    ended = watches.end(state, first.promotion, how="kept", reason="over", at=NOW)
    assert watches.end(state, first.promotion, how="ended", reason="again", at=NOW) == ended
    assert (ended.state, ended.reason) == ("kept", "over")
    assert advance(state, ended) is None


def test_the_first_answer_stays_and_a_question_that_stands_gets_new_times(state: State) -> None:
    begun(state)
    asked = Approval(training="run", model="m", asked_at=NOW, until=NOW + timedelta(hours=1))
    assert approvals.answer(state, "run", approved=True, by="ada", at=NOW) is None
    approvals.ask(state, asked)
    later = replace(asked, asked_at=NOW + timedelta(minutes=5), until=NOW + timedelta(hours=2))
    assert approvals.ask(state, later) == later
    assert [one.training for one in approvals.waiting(state, "m")] == ["run"]
    given = approvals.answer(state, "run", approved=False, by="bob", at=NOW)
    assert given is not None
    assert approvals.answer(state, "run", approved=True, by="ada", at=NOW) == given
    assert approvals.ask(state, asked) == given
    assert approvals.waiting(state, "m") == []


def test_a_crown_about_another_change_than_the_newest_is_refused(state: State) -> None:
    first, second = crown(state, 1), crown(state, 2)
    assert first is not None
    assert second is not None
    assert crown(state, 1, key="late", after=first.number) is None
    assert crown(state, 1, key="right", after=second.number) is not None


def test_aliases_are_told_of_the_newest_change_only(state: State) -> None:
    assert trainings.is_told(state, "m"), "nothing is to tell"
    first = crown(state, 1)
    assert first is not None
    assert not trainings.is_told(state, "m")
    assert trainings.told(state, "m", number=first.number, at=NOW)
    assert trainings.is_told(state, "m")
    crown(state, 2)
    assert not trainings.told(state, "m", number=first.number, at=NOW)
    assert not trainings.is_told(state, "m")


def test_forgetting_a_model_forgets_its_watches_and_approvals(state: State) -> None:
    watched(state)
    begun(state)
    approvals.ask(state, Approval(training="run", model="m", asked_at=NOW, until=NOW))
    advance(state, next(iter(watches.of_model(state, "m").values())))
    forget.forget(state, "m")
    assert watches.of_model(state, "m") == {}
    assert approvals.find(state, "run") is None


def test_a_database_of_the_first_tables_keeps_its_history(state: State) -> None:
    at_version(state, "0001")
    facts = {"model": "m", "version": 1, "previous": None, "kind": "promote", "at": NOW, "by": "test", "reason": "r", "evidence": None}
    rows(state, "promotions", {**facts, "key": "k"})
    migrate(state, store.HEAD)
    (kept,) = trainings.promotion_history(state, "m")
    assert kept == Promotion(number=1, **facts, key="k")  # type: ignore[arg-type]
    assert not trainings.is_told(state, "m")
