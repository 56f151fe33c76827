"""A suggestion waits for one answer; without one, in time, the answer is no."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ml.state import State, ledger, suggestions
from ml.state.records import Decision, Window
from tests.state import made
from tests.state.test_ledger import NOW, window

UNTIL = NOW + timedelta(days=2)


def of(window: Window, minutes: int = 0, until: datetime = UNTIL) -> Decision:
    return made.asked(window, id=f"s-{window.id}", state="suggested", decided_at=NOW + timedelta(minutes=minutes), until=until)


def test_a_suggestion_is_not_claimed_before_a_person_says_yes(state: State) -> None:
    frame = window(state, start=0)
    one = ledger.decide(state, of(frame))
    assert ledger.claim(state, "m", run="a", at=NOW) is None
    assert suggestions.ask(state, "m", run="confirm", at=NOW) is not None
    opened = suggestions.answer(state, one.id, approved=True, by="ada", at=NOW)
    assert (opened.state, opened.answer) == ("open", {"approved": True, "by": "ada", "at": NOW.isoformat()})
    claimed = ledger.claim(state, "m", run="a", at=NOW)
    assert claimed is not None
    assert claimed.id == one.id


@pytest.mark.parametrize(("approved", "by", "late", "becomes"), [
    (False, "ada", False, "declined"),
    (True, None, False, "expired"),
    (False, None, False, "expired"),
    (True, "ada", True, "expired"),
])  # fmt: skip
def test_a_no_declines_and_silence_or_lateness_expires(state: State, approved: bool, by: str | None, late: bool, becomes: str) -> None:
    one = ledger.decide(state, of(window(state, start=0)))
    at = UNTIL + timedelta(seconds=1) if late else UNTIL
    assert suggestions.answer(state, one.id, approved=approved, by=by, at=at).state == becomes
    assert suggestions.answer(state, one.id, approved=True, by="bob", at=NOW).state == becomes, "the first answer stays"
    assert ledger.claim(state, "m", run="a", at=NOW) is None


def test_what_nobody_answered_expires_at_its_time_and_not_before(state: State) -> None:
    one = ledger.decide(state, of(window(state, start=0)))
    assert suggestions.expire(state, "m", at=UNTIL - timedelta(seconds=1)) == []
    [ended] = suggestions.expire(state, "m", at=UNTIL)
    assert (ended.id, ended.state) == (one.id, "expired")
    assert ended.outcome is not None
    assert ended.outcome["reason"] == "nobody answered in time: the answer is no"
    assert suggestions.ask(state, "m", run="confirm", at=NOW) is None


def test_the_newest_is_asked_about_and_another_run_takes_the_question_over(state: State) -> None:
    old, new = (ledger.decide(state, of(window(state, start=start), minutes=start)) for start in (0, 1))
    assert [suggestions.ask(state, "m", run="a", at=NOW), suggestions.ask(state, "m", run="a", at=NOW)] == [
        replace(new, claimed_by="a"),
        replace(new, claimed_by="a"),
    ]
    found = ledger.find_decision(state, old.id)
    assert found is not None
    assert (found.state, found.outcome) == ("superseded", {"superseded_by": new.id})
    suggestions.ask(state, "m", run="b", at=NOW)
    assert suggestions.asked_by(state, "a") is None
    assert suggestions.asked_by(state, "b") is not None


@pytest.mark.parametrize("approved", [True, False])
def test_an_answer_is_for_all_suggestions_that_stand(state: State, approved: bool) -> None:
    old, new = (ledger.decide(state, of(window(state, start=start), minutes=start)) for start in (0, 1))
    suggestions.answer(state, old.id, approved=approved, by="ada", at=NOW)
    found = ledger.find_decision(state, new.id)
    assert found is not None
    assert (found.state, found.outcome) == ("superseded", {"answered_with": old.id})
    assert suggestions.ask(state, "m", run="confirm", at=NOW) is None
    assert len(ledger.open_decisions(state, "m", at=NOW)) == approved


def test_silence_about_one_suggestion_leaves_the_newer_one_standing(state: State) -> None:
    old, new = (ledger.decide(state, of(window(state, start=start), minutes=start)) for start in (0, 1))
    suggestions.answer(state, old.id, approved=False, by=None, at=NOW)
    assert [one.id for one in suggestions.waiting(state, "m", at=NOW)] == [new.id]


def test_a_training_that_begins_ends_the_suggestions(state: State) -> None:
    one = ledger.decide(state, of(window(state, start=0)))
    asked = ledger.decide(state, replace(of(window(state, start=1), minutes=1), state="open", until=None))
    ledger.claim(state, "m", run="a", at=NOW)
    found = ledger.find_decision(state, one.id)
    assert found is not None
    assert (found.state, found.outcome) == ("superseded", {"superseded_by": asked.id})


def test_the_last_suggestion_of_which_nothing_came_is_known_as_of_a_moment(state: State) -> None:
    hours = [NOW + timedelta(hours=number) for number in range(60)]
    assert suggestions.last_refused(state, "m", by=hours[9]) is None
    declined = ledger.decide(state, of(window(state, start=0)))
    suggestions.answer(state, declined.id, approved=False, by="ada", at=hours[3])
    assert suggestions.last_refused(state, "m", by=hours[2]) is None
    assert suggestions.last_refused(state, "m", by=hours[3]) == suggestions.Refused(state="declined", at=hours[3])
    ledger.decide(state, of(window(state, start=1), minutes=5))
    suggestions.expire(state, "m", at=hours[59])
    expired = suggestions.Refused(state="expired", at=UNTIL)
    assert suggestions.last_refused(state, "m", by=hours[59]) == expired, "not when that was seen"
    assert suggestions.last_refused(state, "other", by=hours[59]) is None
