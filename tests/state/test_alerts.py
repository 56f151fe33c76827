"""What the database remembers of alerts."""

from datetime import UTC, datetime, timedelta

from ml.state import State, alerts
from tests.state.test_estimates import at_once

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ROW = {"key": "drift/1", "kind": "drift", "title": "drift", "text": "far", "window": None}


def changed(state: State, *, opened: tuple[dict[str, object], ...] = (), closed: dict[int, str] | None = None, minutes: int = 0) -> None:
    alerts.change(state, "m", "c", opened=opened, closed=closed or {}, reopened=(), at=NOW + timedelta(minutes=minutes))


def test_a_condition_is_open_once_and_owed_until_its_end_was_told(state: State) -> None:
    changed(state, opened=(ROW,))
    changed(state, opened=(ROW,), minutes=1)
    (one,) = alerts.standing(state, "m", "c")
    assert (one.opened_at, one.told_at) == (NOW, None)
    alerts.not_delivered(state, [one.number], error="refused")
    (failed,) = alerts.standing(state, "m", "c")
    assert (failed.failures, failed.error) == (1, "refused")
    alerts.delivered(state, [one.number], is_end=False, at=NOW)
    changed(state, closed={one.number: "near"})
    (over,) = alerts.standing(state, "m", "c")
    assert (over.told_at, over.end_text, over.failures) == (NOW, "near", 0)
    changed(state, opened=(ROW,), minutes=2)
    assert len(alerts.standing(state, "m", "c")) == 2, "the same condition may begin again"
    alerts.delivered(state, [one.number], is_end=True, at=NOW)
    assert [one.end_text for one in alerts.standing(state, "m", "c")] == [None]


def test_what_ended_before_anybody_was_told_is_owed_to_nobody(state: State) -> None:
    changed(state, opened=(ROW,))
    (one,) = alerts.standing(state, "m", "c")
    changed(state, closed={one.number: "near"})
    assert alerts.standing(state, "m", "c") == []


def test_channels_and_models_are_told_apart(state: State) -> None:
    changed(state, opened=(ROW,))
    assert alerts.standing(state, "m", "other") == []
    assert alerts.standing(state, "other", "c") == []


def test_a_message_has_one_sender_at_a_time_until_it_was_told(state: State) -> None:
    changed(state, opened=(ROW,))
    (one,) = alerts.standing(state, "m", "c")

    def mine(*, is_end: bool = False, seconds: float = 0) -> list[int]:
        at = NOW + timedelta(seconds=seconds)
        return [taken.number for taken in alerts.claim(state, [one.number], is_end=is_end, at=at)]

    assert mine(is_end=True) == [], "it is not over"
    assert mine() == [one.number]
    assert mine(seconds=119) == []
    assert mine(seconds=120) == [one.number], "the first sender is dead"
    alerts.not_delivered(state, [one.number], error="refused")
    assert mine(seconds=121) == [one.number], "it was given back"
    alerts.delivered(state, [one.number], is_end=False, at=NOW)
    assert mine(seconds=122) == [], "it was told"
    changed(state, closed={one.number: "near"})
    assert mine(is_end=True) == [one.number]
    assert mine(is_end=True) == []


def test_of_many_senders_at_once_one_has_the_message(state: State) -> None:
    changed(state, opened=(ROW, {**ROW, "key": "quality/1"}))
    numbers = [one.number for one in alerts.standing(state, "m", "c")]
    taken: list[int] = []

    def send() -> None:
        taken.extend(one.number for one in alerts.claim(state, numbers, is_end=False, at=NOW))

    assert at_once(send) == []
    assert sorted(taken) == sorted(numbers)
