"""Windows that are being worked on: counting the tries, and giving up one that cannot be measured."""

from datetime import datetime

from sqlalchemy import select, update

from ml.state import ledger
from ml.state.records import Decision
from ml.state.sql import lock
from ml.state.store import State
from ml.state.tables import windows


def give_up(state: State, decision: Decision) -> Decision | None:
    """Writes the "no" of a window that cannot be measured, or returns the decision that it has.

    None, and nothing is written, where another process has measured it meanwhile: who has numbers decides by them.
    """
    with state.begin() as connection:
        lock(connection, f"decisions of {decision.model}")
        lock(connection, f"window {decision.window}")
        measured_at: datetime | None = connection.execute(select(windows.c.measured_at).where(windows.c.id == decision.window)).scalar_one()
        return None if measured_at is not None else ledger.decide_within(connection, decision)


def begin(state: State, window_id: str) -> int:
    """Notes that measuring a window is begun, or then deciding about it; returns how often that was begun by now.

    Noted before, since whoever is killed can note nothing after.
    """
    counted = update(windows).where(windows.c.id == window_id).values(attempts=windows.c.attempts + 1).returning(windows.c.attempts)
    with state.begin() as connection:
        return int(connection.execute(counted).scalar_one())


def not_counted(state: State, window_id: str) -> None:
    """Takes a try back that came to an end of which the window is innocent."""
    less = update(windows).where(windows.c.id == window_id, windows.c.attempts > 0).values(attempts=windows.c.attempts - 1)
    with state.begin() as connection:
        connection.execute(less)
