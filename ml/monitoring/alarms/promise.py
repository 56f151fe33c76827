"""From the promised rate of false alarms to the level of one look, and of each kind of drift in it."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ml.spec import Rate

HIGHEST_LEVEL = 0.05
"""No look is looser than this, however few looks a period has: the promise is then kept with room to spare."""
_ASSUMED = timedelta(days=1)
_FIRED = 500
_FROM = datetime(2025, 1, 1, tzinfo=UTC)


def time_between_looks(schedule: str | None, *, seen: Sequence[timedelta] = ()) -> timedelta:
    """How long a look is from the next: the schedule's mean, else the median of what was seen, else a day.

    Args:
        schedule: `monitoring.schedule`: five cron fields or a preset, in UTC; None if nothing but events and people start a look.
        seen: The times between the model's latest windows. A schedule is trusted more: a window that waits for rows comes later and
            makes false alarms rarer, never more frequent.
    """
    if schedule is not None:
        return _mean_interval(schedule)
    usual = sorted(one for one in seen if one > timedelta(0))
    return usual[len(usual) // 2] if usual else _ASSUMED


def level_of_a_look(promise: Rate, between: timedelta) -> float:
    """The chance of a false alarm that one look may have, all kinds of drift together: alarms / looks in the period.

    >>> round(level_of_a_look(Rate(count=1, period=timedelta(days=90)), timedelta(days=1)), 5)
    0.01111
    """
    looks = max(1.0, promise.period / between)
    return min(HIGHEST_LEVEL, promise.count / looks)


def split(level: float, families: Sequence[str]) -> dict[str, float]:
    """The level of each kind of drift that may alarm: an equal part, so that all together keep the promise (Bonferroni)."""
    names = list(dict.fromkeys(families))
    return {name: level / len(names) for name in names}


def sentence(promise: Rate, between: timedelta, families: Sequence[str]) -> str:
    """The promise and what it comes to, for a report."""
    level = level_of_a_look(promise, between)
    looks = promise.period / between
    shared = f", shared by {len(families)} kinds of drift ({', '.join(families)})" if len(families) > 1 else ""
    return (
        f"At most {promise} by chance: {looks:.4g} looks in that time, so one look alarms by chance with probability {level:.2g}{shared}."
    )


def _mean_interval(schedule: str) -> timedelta:
    """Over the next 500 times; schedules that skip nights and week-ends have no one interval."""
    from croniter import croniter

    times = croniter(schedule, _FROM, ret_type=datetime)
    first = last = times.get_next()
    fired = 0
    while fired < _FIRED and (last - first) < timedelta(days=1_461):
        last = times.get_next()
        fired += 1
    if fired == 0 or not math.isfinite((last - first).total_seconds()):
        return _ASSUMED
    return timedelta(seconds=(last - first).total_seconds() / fired)
