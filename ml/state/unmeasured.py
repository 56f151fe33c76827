"""Windows that are being measured: giving up one that cannot be."""

from datetime import datetime

from sqlalchemy import select

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
