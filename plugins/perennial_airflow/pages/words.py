"""Moments and numbers as the pages write them."""

from datetime import UTC, datetime, timedelta

from ml.wording import counted

_SIZES = (("year", 365 * 86_400), ("month", 30 * 86_400), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def moment(at: datetime) -> str:
    """A moment, in UTC.

    >>> moment(datetime(2026, 5, 1, 9, 30, tzinfo=UTC))
    '2026-05-01 09:30 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def ago(at: datetime, now: datetime) -> str:
    """How long ago a moment was, or how far it lies ahead, in its largest unit.

    >>> now = datetime(2026, 5, 3, tzinfo=UTC)
    >>> ago(datetime(2026, 5, 1, tzinfo=UTC), now), ago(now + timedelta(minutes=1), now), ago(now, now)
    ('2 days ago', 'in 1 minute', 'just now')
    """
    gone = (now - at) / timedelta(seconds=1)
    for unit, size in _SIZES:
        if abs(gone) >= size:
            said = counted(int(abs(gone) // size), unit)
            return f"{said} ago" if gone > 0 else f"in {said}"
    return "just now" if gone >= 0 else "at once"


_STATES = {
    "no": "nothing to do",
    "recorded": "only recorded: retraining is off",
    "suggested": "waits for a person's word",
    "declined": "a person said no",
    "expired": "nobody answered in time",
    "open": "waits for a training",
    "claimed": "a training works on it",
    "done": "trained",
    "superseded": "a newer one took its place",
    "failed": "failed",
}


def verdict(kind: str, retrain: bool) -> str:  # a filter of templates
    """What a decision said.

    >>> verdict("retrain", False), verdict("rollback", True)
    ('no', 'rollback')
    """
    return "rollback" if kind == "rollback" else "retrain" if retrain else "no"


def became(state: str) -> str:
    """What became of a decision.

    >>> became("done")
    'trained'
    """
    return _STATES.get(state, state)
