"""The newest window of each of many models with what was seen in it, in as many queries for a hundred models as for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, cast, func, select

from ml.state.history import Alarmed
from ml.state.records import NOT_FEATURES, Decision, Quality, Window, record
from ml.state.store import State
from ml.state.tables import decisions, details, drift, promotions, quality, specs, windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """A window with its first decision, and what was measured in it.

    `columns` were compared, `drifted` of them drifted; `alarms` are what drifted, target and predictions too, the farthest first.
    `intervals` and `concept` as `ml.state.estimates` keeps them. `spec` is the window's declaration as JSON text.
    """

    window: Window
    decision: Decision | None
    columns: int
    drifted: int
    alarms: tuple[Alarmed, ...]
    qualities: tuple[Quality, ...]
    intervals: dict[str, list[float]]
    concept: dict[str, Any] | None
    spec: str


@dataclass(frozen=True, slots=True)
class Serving:
    """Who serves, and since when."""

    version: int
    since: datetime


def champions(state: State, models: Sequence[str]) -> dict[str, Serving]:
    """Model → its champion; without models that have none."""
    last = select(func.max(promotions.c.number)).where(promotions.c.model.in_(models)).group_by(promotions.c.model)
    query = select(promotions.c.model, promotions.c.version, promotions.c.at).where(promotions.c.number.in_(last))
    with state.begin() as connection:
        return {row.model: Serving(row.version, row.at) for row in connection.execute(query)}


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
        ids = [one.id for one in found.values()]
        parts = (made, _compared(connection, ids), _alarms(connection, ids), _qualities(connection, ids), _details(connection, ids))
        named = select(specs.c.hash, specs.c.text).where(specs.c.hash.in_([one.spec_hash for one in found.values()]))
        texts = {row.hash: row.text for row in connection.execute(named)}
    return {name: _newest(one, *parts, spec=texts.get(one.spec_hash, "{}")) for name, one in found.items()}


def _newest(
    window: Window,
    made: dict[str, Decision],
    compared: dict[str, tuple[int, int]],
    alarms: dict[str, list[Alarmed]],
    qualities: dict[str, list[Quality]],
    kept: dict[tuple[str, str], Any],
    *,
    spec: str,
) -> Newest:
    columns, drifted = compared.get(window.id, (0, 0))
    return Newest(
        window=window,
        decision=made.get(window.id),
        columns=columns,
        drifted=drifted,
        alarms=tuple(alarms.get(window.id, ())),
        qualities=tuple(qualities.get(window.id, ())),
        intervals=kept.get((window.id, "intervals"), {}),
        concept=kept.get((window.id, "concept")),
        spec=spec,
    )


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


def _compared(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    query = (
        select(drift.c.window, func.count().label("columns"), func.sum(cast(drift.c.drifted, Integer)).label("drifted"))
        .where(drift.c.window.in_(ids), drift.c.kind.not_in(NOT_FEATURES))
        .group_by(drift.c.window)
    )
    return {row.window: (row.columns, int(row.drifted)) for row in connection.execute(query)}


def _alarms(connection: Connection, ids: Sequence[str]) -> dict[str, list[Alarmed]]:
    far = drift.c.value / func.nullif(drift.c.threshold, 0)
    query = (
        select(drift.c.window, drift.c.column, drift.c.kind)
        .where(drift.c.window.in_(ids), drift.c.drifted)
        .order_by(far.desc(), drift.c.column)
    )
    found: dict[str, list[Alarmed]] = {}
    for row in connection.execute(query):
        found.setdefault(row.window, []).append(Alarmed(row.column, row.kind))
    return found


def _qualities(connection: Connection, ids: Sequence[str]) -> dict[str, list[Quality]]:
    found: dict[str, list[Quality]] = {}
    for row in connection.execute(select(quality).where(quality.c.window.in_(ids)).order_by(quality.c.metric)):
        found.setdefault(row.window, []).append(record(Quality, row))
    return found


def _details(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], Any]:
    query = select(details).where(details.c.window.in_(ids), details.c.kind.in_(["intervals", "concept"]))
    return {(row.window, row.kind): row.content for row in connection.execute(query)}
