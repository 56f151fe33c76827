"""Times and decisions as the pages write them."""

from datetime import datetime, timedelta

from ml.wording import counted

_SIZES = (("year", 365 * 86_400), ("month", 30 * 86_400), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def ago(at: datetime, now: datetime) -> str:
    """How long ago a moment was, or how far it lies ahead, in its largest unit.

    >>> from datetime import UTC
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


def verdict(kind: str, retrain: bool) -> str:  # a filter of templates
    """What a decision said.

    >>> verdict("retrain", False), verdict("rollback", True)
    ('no', 'rollback')
    """
    return "rollback" if kind == "rollback" else "retrain" if retrain else "no"
