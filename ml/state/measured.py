"""What was measured in windows, by the window: a query for each kind, however many windows and columns there are.

`which` says of which windows, as a condition on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, Select, cast, func, select

from ml.state.records import NOT_FEATURES, Drift, Quality, by_window
from ml.state.tables import details, drift, quality, windows


@dataclass(frozen=True, slots=True)
class Alarmed:
    """A column of a window that drifted; `kind` as in `Drift`."""

    column: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one window gave.

    Args:
        columns: So many feature columns were compared,
        drifted: and so many of them drifted.
        alarms: What drifted, target and predictions too, the farthest beyond its threshold first.
        qualities: The champion's metrics on its labelled rows, by name.
        intervals: Metric → its 95 % interval, as it was measured; nothing of windows that an earlier version measured.
        concept: Its quality against fresh models (`ml.monitoring.concept.ConceptDrift`) as JSON, where that was kept.
    """

    columns: int = 0
    drifted: int = 0
    alarms: tuple[Alarmed, ...] = ()
    qualities: tuple[Quality, ...] = ()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    concept: dict[str, Any] | None = None


def measured(connection: Connection, which: ColumnElement[bool]) -> dict[str, Measured]:
    """Window → what was measured in it; without windows in which nothing was."""
    counts, alarms, kept = compared(connection, which), _alarms(connection, which), _details(connection, which, "intervals", "concept")
    query = _of(select(quality), quality.c.window).where(which).order_by(quality.c.metric)
    qualities = by_window(Quality, connection.execute(query))
    found = {}
    for window in counts.keys() | alarms.keys() | qualities.keys() | kept.keys():
        columns, drifted = counts.get(window, (0, 0))
        content = kept.get(window, {})
        found[window] = Measured(
            columns=columns,
            drifted=drifted,
            alarms=tuple(alarms.get(window, ())),
            qualities=tuple(qualities.get(window, ())),
            intervals=_spans(content.get("intervals", {})),
            concept=content.get("concept"),
        )
    return found


def compared(connection: Connection, which: ColumnElement[bool]) -> dict[str, tuple[int, int]]:
    """Window → how many of its feature columns were compared, and how many drifted; without windows in which none was compared."""
    counts = (func.count().label("columns"), func.sum(cast(drift.c.drifted, Integer)).label("drifted"))
    query = _of(select(drift.c.window, *counts), drift.c.window).where(which, drift.c.kind.not_in(NOT_FEATURES))
    return {row.window: (row.columns, int(row.drifted)) for row in connection.execute(query.group_by(drift.c.window))}


def intervals(connection: Connection, which: ColumnElement[bool]) -> dict[str, dict[str, tuple[float, float]]]:
    """Window → metric → its 95 % interval, as it was measured; nothing of windows that an earlier version measured."""
    return {window: _spans(kept["intervals"]) for window, kept in _details(connection, which, "intervals").items()}


def beyond(one: Drift | Row[Any]) -> float:
    """How far a column lies from the reference, in multiples of its threshold; 0 where that is 0."""
    return float(one.value / one.threshold) if one.threshold > 0 else 0.0


def _alarms(connection: Connection, which: ColumnElement[bool]) -> dict[str, list[Alarmed]]:
    query = _of(select(drift.c.window, drift.c.column, drift.c.kind, drift.c.value, drift.c.threshold), drift.c.window)
    rows = connection.execute(query.where(which, drift.c.drifted).order_by(drift.c.column)).all()
    found: dict[str, list[Alarmed]] = {}
    for row in sorted(rows, key=beyond, reverse=True):
        found.setdefault(row.window, []).append(Alarmed(row.column, row.kind))
    return found


def _spans(kept: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    return {metric: (low, high) for metric, (low, high) in kept.items()}


def _details(connection: Connection, which: ColumnElement[bool], *kinds: str) -> dict[str, dict[str, Any]]:
    query = _of(select(details.c.window, details.c.kind, details.c.content), details.c.window).where(which, details.c.kind.in_(kinds))
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.window, {})[row.kind] = row.content
    return found


def _of(query: Select[Any], window: ColumnElement[str]) -> Select[Any]:
    return query.join(windows, windows.c.id == window)
