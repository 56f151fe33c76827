"""Alerts: which conditions somebody is told of, since when, and what of it was delivered."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update

from ml.state.records import Alert, record
from ml.state.sql import lock
from ml.state.store import State
from ml.state.tables import alerts

LEASE = timedelta(minutes=2)
"""So long nobody else sends what one is sending."""
_LONGEST_ERROR = 1000


def standing(state: State, model: str, channel: str) -> list[Alert]:
    """The conditions that are open, and those whose end is still to be told, oldest first.

    What ended before anybody was told of it is no longer worth a message, and is not among them.
    """
    owed = and_(alerts.c.told_at.is_not(None), alerts.c.end_told_at.is_(None))
    query = select(alerts).where(alerts.c.model == model, alerts.c.channel == channel, or_(alerts.c.closed_at.is_(None), owed))
    return state.all(Alert, query.order_by(alerts.c.number))


def opened(state: State, model: str) -> list[Alert]:
    """The model's conditions that are open, through whatever channel they are told, oldest first."""
    query = select(alerts).where(alerts.c.model == model, alerts.c.closed_at.is_(None)).order_by(alerts.c.number)
    return state.all(Alert, query)


def change(
    state: State,
    model: str,
    channel: str,
    *,
    opened: Sequence[Mapping[str, Any]],
    closed: Mapping[int, str],
    reopened: Sequence[int],
    at: datetime,
) -> None:
    """Writes what a look has found, in one transaction. A condition that is open already is not opened again.

    Args:
        state: The state database.
        model: Whose alerts.
        channel: Through which channel they are told.
        opened: New conditions: `key`, `kind`, `title`, `text`, `window`.
        closed: Number → how it ended.
        reopened: Numbers of conditions that are there again before their end was told.
        at: When.
    """
    with state.begin() as connection:
        lock(connection, f"alerts of {model}")
        for number, text in closed.items():
            connection.execute(update(alerts).where(alerts.c.number == number).values(closed_at=at, end_text=text))
        again = alerts.c.number.in_(reopened)
        connection.execute(update(alerts).where(again, alerts.c.end_told_at.is_(None)).values(closed_at=None, end_text=None))
        of_channel = (alerts.c.model == model, alerts.c.channel == channel, alerts.c.closed_at.is_(None))
        there = {row.key for row in connection.execute(select(alerts.c.key).where(*of_channel))}
        fresh = [{**one, "model": model, "channel": channel, "opened_at": at} for one in opened if one["key"] not in there]
        if fresh:
            connection.execute(alerts.insert(), fresh)


def claim(state: State, numbers: Sequence[int], *, is_end: bool, at: datetime) -> list[Alert]:
    """Takes those of the conditions whose beginning (or end) is still to be told and that nobody else is telling, by their numbers.

    They are held for `LEASE`: whoever is killed while sending leaves them to a later look.
    """
    due = and_(alerts.c.closed_at.is_(None), alerts.c.told_at.is_(None))
    if is_end:
        due = and_(alerts.c.closed_at.is_not(None), alerts.c.told_at.is_not(None), alerts.c.end_told_at.is_(None))
    free = or_(alerts.c.sending_until.is_(None), alerts.c.sending_until <= at)
    taken = update(alerts).where(alerts.c.number.in_(numbers), due, free).values(sending_until=at + LEASE).returning(*alerts.c)
    with state.begin() as connection:
        return sorted((record(Alert, row) for row in connection.execute(taken)), key=lambda one: one.number)


def delivered(state: State, numbers: Sequence[int], *, is_end: bool, at: datetime) -> None:
    """Notes that the beginning of these conditions was told, or their end."""
    moment = {"end_told_at" if is_end else "told_at": at}
    with state.begin() as connection:
        connection.execute(update(alerts).where(alerts.c.number.in_(numbers)).values(**moment, failures=0, error=None, sending_until=None))


def not_delivered(state: State, numbers: Sequence[int], *, error: str) -> None:
    """Notes that a message about these conditions could not be delivered; it stays due."""
    failed = {"failures": alerts.c.failures + 1, "error": error[:_LONGEST_ERROR], "sending_until": None}
    with state.begin() as connection:
        connection.execute(update(alerts).where(alerts.c.number.in_(numbers)).values(failed))
