"""The ledger never loses and never doubles a decision."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event, func, select

from ml.settings import Settings
from ml.state import State, ledger, newest, origins, trainings
from ml.state.records import Decision, Window
from ml.state.sql import insert_once
from ml.state.tables import decisions, specs
from tests.state import made
from tests.state.made import NOW


def window(state: State, *, start: int) -> Window:
    with state.begin() as connection:
        insert_once(connection, specs, {"hash": "0" * 16, "model": "m", "text": "{}", "first_used_at": NOW})
    return ledger.open_window(state, made.window(start))


def decided(state: State, *, start: int, minutes: int = 0) -> Decision:
    return ledger.decide(state, made.asked(window(state, start=start), decided_at=NOW + timedelta(minutes=minutes)))


def test_a_window_that_starts_at_the_same_version_is_the_same_window(state: State) -> None:
    first, again, second = window(state, start=0), window(state, start=0), window(state, start=1)
    assert (first.id, first.number) == (again.id, again.number) == ("m-000001", 1)
    assert second.number == 2


def test_a_window_is_decided_once(state: State) -> None:
    first = decided(state, start=0)
    again = decided(state, start=0, minutes=5)
    assert again == first


def test_the_newest_open_decision_is_claimed_and_older_ones_are_superseded(state: State) -> None:
    old, new = decided(state, start=0), decided(state, start=1, minutes=1)
    claimed = ledger.claim(state, "m", run="a", at=NOW)
    assert claimed is not None
    assert claimed.id == new.id
    states = {one.id: one.state for one in ledger.recent_decisions(state, "m", limit=9)}
    assert states == {old.id: "superseded", new.id: "claimed"}


def test_a_second_run_claims_nothing_but_the_same_run_gets_its_claim_back(state: State) -> None:
    one = decided(state, start=0)
    assert ledger.claim(state, "m", run="a", at=NOW) is not None
    assert ledger.claim(state, "m", run="b", at=NOW) is None
    again = ledger.claim(state, "m", run="a", at=NOW)
    assert again is not None
    assert again.id == one.id


def test_a_claim_whose_lease_is_over_is_open_again(state: State) -> None:
    decided(state, start=0)
    ledger.claim(state, "m", run="dead", at=NOW, lease=timedelta(minutes=5))
    assert ledger.open_decisions(state, "m", at=NOW + timedelta(minutes=5)) == []
    later = NOW + timedelta(minutes=5, seconds=1)
    assert len(ledger.open_decisions(state, "m", at=later)) == 1
    claimed = ledger.claim(state, "m", run="next", at=later)
    assert claimed is not None
    assert claimed.claimed_by == "next"


def test_a_claim_that_is_given_back_is_open_and_a_finished_one_is_not(state: State) -> None:
    decided(state, start=0)
    ledger.claim(state, "m", run="a", at=NOW)
    ledger.give_back(state, run="a", at=NOW, error="killed")
    assert len(ledger.open_decisions(state, "m", at=NOW)) == 1
    ledger.claim(state, "m", run="b", at=NOW)
    ledger.finish(state, run="b", outcome={"version": 2})
    assert ledger.open_decisions(state, "m", at=NOW + timedelta(days=99)) == []
    ledger.give_back(state, run="b", at=NOW, error="killed")
    assert ledger.open_decisions(state, "m", at=NOW + timedelta(days=99)) == []


def test_eight_runs_at_once_claim_each_decision_once(state: State) -> None:
    for start in range(20):
        decided(state, start=start, minutes=start)
    winners: list[str] = []
    gate = threading.Barrier(8)

    def run(name: str) -> None:
        gate.wait()
        if ledger.claim(state, "m", run=name, at=NOW) is not None:
            winners.append(name)

    threads = [threading.Thread(target=run, args=(f"r{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    with state.begin() as connection:
        counts = dict(connection.execute(select(decisions.c.state, func.count()).group_by(decisions.c.state)).all())
    assert counts == {"claimed": 1, "superseded": 19}


def tried(state: State, run: str, at: datetime = NOW) -> None:
    assert ledger.claim(state, "m", run=run, at=at) is not None
    ledger.give_back(state, run=run, at=at, error=f"{run} met a wall")


def stands(state: State, decision: Decision) -> Decision:
    found = ledger.find_decision(state, decision.id)
    assert found is not None
    return found


def test_after_a_bounded_number_of_tries_a_decision_has_failed_and_says_who_when_and_what_to_do(state: State) -> None:
    one = decided(state, start=0)
    for number in range(1, ledger.MOST_TRIES):
        tried(state, f"r{number}")
        assert (stands(state, one).state, stands(state, one).tries) == ("open", number)
    tried(state, "last")
    found = stands(state, one)
    assert (found.state, found.claimed_by, [failure["run"] for failure in found.failures]) == ("failed", None, ["r1", "r2", "last"])
    assert found.outcome is not None
    assert (found.outcome["run"], found.outcome["error"], found.outcome["tries"]) == ("last", "last met a wall", 3)
    assert found.outcome["at"] == NOW.isoformat()
    assert "perennial train m" in found.outcome["cure"]
    assert ledger.claim(state, "m", run="again", at=NOW) is None
    assert ledger.open_decisions(state, "m", at=NOW) == []


def test_reconciling_gives_back_what_a_dead_worker_holds_and_counts_it_as_a_try(state: State) -> None:
    one, later = decided(state, start=0), NOW + timedelta(hours=9)
    ledger.claim(state, "m", run="dead", at=NOW)
    assert ledger.reconcile(state, "m", at=NOW + timedelta(hours=8)) == []
    [given] = ledger.reconcile(state, "m", at=later)
    assert (given.id, given.state, given.tries) == (one.id, "open", 1)
    assert given.failures[0]["error"] == "run dead neither finished nor failed: its claim ended at 2026-01-01 08:00 UTC"
    assert ledger.reconcile(state, "m", at=later) == []
    for number in range(2):
        ledger.claim(state, "m", run=f"dead{number}", at=later)
        later += timedelta(hours=9)
        [given] = ledger.reconcile(state, "m", at=later)
    assert given.state == "failed"


def test_a_run_that_was_only_paused_goes_on_and_one_that_was_replaced_may_not(state: State) -> None:
    one, later = decided(state, start=0), NOW + timedelta(hours=9)
    ledger.claim(state, "m", run="paused", at=NOW)
    ledger.reconcile(state, "m", at=later)
    held = ledger.hold(state, one.id, run="paused", at=later, lease=ledger.LEASE)
    assert held is not None
    assert (held.state, held.claimed_by, held.tries) == ("claimed", "paused", 1)
    much_later = later + timedelta(hours=9)
    ledger.claim(state, "m", run="next", at=much_later)
    assert ledger.hold(state, one.id, run="paused", at=much_later, lease=ledger.LEASE) is None
    assert ledger.finish(state, run="paused", outcome={}) is False
    assert ledger.finish(state, run="next", outcome={"version": 2}) is True
    assert stands(state, one).outcome == {"version": 2, "run": "next"}
    assert ledger.hold(state, one.id, run="next", at=much_later, lease=ledger.LEASE) is not None, "its own, though it is done"
    assert stands(state, one).state == "done"


def test_a_claim_by_the_same_run_again_is_no_other_try(state: State) -> None:
    one = decided(state, start=0)
    for _ in range(5):
        ledger.claim(state, "m", run="a", at=NOW)
    assert stands(state, one).tries == 1


def test_policies_of_two_versions_may_judge_the_same_window_and_one_version_judges_it_once(state: State) -> None:
    one = decided(state, start=0)
    other = replace(one, id="other", policy="2-b", decided_at=NOW + timedelta(minutes=1))
    assert ledger.decide(state, other) == other
    assert ledger.decide(state, replace(other, id="third")) == other
    assert one.window is not None
    assert ledger.decision_for(state, one.window) == one


def test_the_decision_about_a_window_is_found_by_an_index(settings: Settings) -> None:
    state = State.open(settings)
    window(state, start=0)
    asked: list[tuple[str, Any]] = []
    event.listen(state.engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    ledger.decision_for(state, "w")
    newest.of_models(state, ["m"])
    origins.asked_for(state, ["v", "w"])
    looked = [one for one in asked if "FROM decisions" in one[0]]
    assert len(looked) == 4
    with state.begin() as connection:
        for query, values in looked:
            plan = " ".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values))
            assert "USING INDEX ix_decisions_window_decided_at" in plan, plan


def test_how_often_a_decision_was_announced_is_noted(state: State) -> None:
    one = decided(state, start=0)
    for minutes in (1, 2):
        ledger.announced(state, [one.id], at=NOW + timedelta(minutes=minutes))
    assert (stands(state, one).announcements, stands(state, one).announced_at) == (2, NOW + timedelta(minutes=2))


def by_policy(of: Window, policy: str) -> Decision:
    return made.decision(of, id=f"d-{of.id}-{policy}", policy=policy)


def test_a_window_is_given_up_or_judged_and_never_both(state: State) -> None:
    judged, given_up = (window(state, start=start) for start in (0, 1))
    first = ledger.decide(state, by_policy(judged, "2-a"))
    none = ledger.decide(state, by_policy(given_up, ledger.GIVEN_UP))
    assert ledger.decide(state, by_policy(judged, ledger.GIVEN_UP)) == first
    assert ledger.decide(state, by_policy(given_up, "2-a")) == none
    assert ledger.decide(state, by_policy(judged, "3-a")).policy == "3-a", "another policy may judge it as well"


def test_a_claim_whose_run_was_killed_after_its_version_became_champion_is_done(state: State) -> None:
    one = decided(state, start=0)
    ledger.claim(state, "m", run="killed", at=NOW)
    trainings.crown(
        state, model="m", version=2, kind="promote", at=NOW, by="gate", reason="drift", key="killed", evidence=None, expected=None
    )
    assert ledger.claim(state, "m", run="next", at=NOW + timedelta(hours=9)) is None, "one decision, one finished training"
    found = stands(state, one)
    assert (found.state, found.failures) == ("done", [])
    assert found.outcome == {"version": 2, "promoted": True, "verdict": "drift", "run": "killed"}


def test_a_failure_is_told_whoever_found_it_until_a_training_has_finished(state: State) -> None:
    one, at = decided(state, start=0), NOW
    for number in range(ledger.MOST_TRIES):
        ledger.claim(state, "m", run=f"dead{number}", at=at)
        at += timedelta(hours=9)
    assert ledger.claim(state, "m", run="next", at=at) is None
    assert [found.id for found in ledger.standing_failures(state, "m")] == [one.id]
    assert [found.id for found in ledger.standing_failures(state, "m")] == [one.id]
    trainings.begin(state, made.training(key="by hand", state="challenger", started_at=at))
    assert ledger.standing_failures(state, "m") == []
