"""The newest window of each of many models with what was seen in it, in as many queries for a hundred models as for one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ml.state.measured import Measured, measured
from ml.state.records import Decision, Window, record
from ml.state.store import State
from ml.state.tables import decisions, specs, windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """A window with its first decision, and what was measured in it. `spec` is the window's declaration as JSON text."""

    window: Window
    decision: Decision | None
    measured: Measured
    spec: str


def of_models(state: State, models: Sequence[str]) -> dict[str, Newest]:
    """Model → its newest window that was measured or given up, else the newest one; without models that have none."""
    with state.begin() as connection:
        found = _windows(connection, models)
        made = _decisions(connection, [one.id for one in found.values()])
        waiting = [name for name, one in found.items() if one.measured_at is None and one.id not in made]
        if waiting:
            before = _windows(connection, waiting, is_measured=True)
            found |= before
            made |= _decisions(connection, [one.id for one in before.values()])
        seen = measured(connection, windows.c.id.in_([one.id for one in found.values()]))
        named = select(specs.c.hash, specs.c.text).where(specs.c.hash.in_([one.spec_hash for one in found.values()]))
        texts = {row.hash: row.text for row in connection.execute(named)}
    return {
        name: Newest(window=one, decision=made.get(one.id), measured=seen.get(one.id, Measured()), spec=texts.get(one.spec_hash, "{}"))
        for name, one in found.items()
    }


def _windows(connection: Connection, models: Sequence[str], *, is_measured: bool = False) -> dict[str, Window]:
    last = select(windows.c.model, func.max(windows.c.number).label("number")).where(windows.c.model.in_(models)).group_by(windows.c.model)
    if is_measured:
        last = last.where(windows.c.measured_at.is_not(None))
    newest = last.subquery()
    query = select(windows).join(newest, (windows.c.model == newest.c.model) & (windows.c.number == newest.c.number))
    return {row.model: record(Window, row) for row in connection.execute(query)}


def _decisions(connection: Connection, ids: Sequence[str]) -> dict[str, Decision]:
    query = select(decisions).where(decisions.c.window.in_(ids)).order_by(decisions.c.decided_at.desc(), decisions.c.id.desc())
    return {row.window: record(Decision, row) for row in connection.execute(query)}
