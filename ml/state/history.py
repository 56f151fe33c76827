"""What was measured and decided over time, read in a few queries however many windows and columns there are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, cast, func, literal_column, select

from ml.state.ledger import ASKING
from ml.state.records import NOT_FEATURES, Decision, Drift, Quality, Window, WindowEstimate, record
from ml.state.store import State
from ml.state.tables import decisions, details, drift, quality, windows
from ml.state.tables import estimates as estimated


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How many feature columns of a window were compared, and how many of them drifted."""

    window: str
    columns: int
    drifted: int


@dataclass(frozen=True, slots=True)
class Alarmed:
    """A column of a window that drifted; `kind` as in `Drift`."""

    column: str
    kind: str


def taken(state: State, model: str, *, after: datetime) -> list[Window]:
    """The windows that were taken after a moment, oldest first."""
    query = select(windows).where(_since(model, after)).order_by(windows.c.number)
    with state.begin() as connection:
        return [record(Window, row) for row in connection.execute(query)]


def count(state: State, model: str, *, after: datetime) -> int:
    """How many windows were taken after a moment."""
    with state.begin() as connection:
        return connection.execute(select(func.count()).select_from(windows).where(_since(model, after))).scalar_one()


def done_with(state: State, model: str, *, before: datetime) -> list[str]:
    """The ids of the windows that were measured before a moment, oldest first: not the newest one, and none whose decision waits."""
    newest = select(func.max(windows.c.number)).where(windows.c.model == model).scalar_subquery()
    old = (windows.c.model == model, windows.c.measured_at < before, windows.c.number < newest)
    decided = select(decisions.c.id).where(decisions.c.model == model, decisions.c.window == windows.c.id)
    query = select(windows.c.id).where(*old, decided.exists(), ~decided.where(decisions.c.state.in_(ASKING)).exists())
    with state.begin() as connection:
        return list(connection.execute(query.order_by(windows.c.number)).scalars())


def compared(state: State, model: str, *, after: datetime) -> dict[str, Compared]:
    """Window → how many of its columns drifted; without windows in which nothing was compared."""
    drifted = func.sum(cast(drift.c.drifted, Integer))
    query = (
        select(drift.c.window, func.count().label("columns"), drifted.label("drifted"))
        .join(windows, windows.c.id == drift.c.window)
        .where(_since(model, after), drift.c.kind.not_in(NOT_FEATURES))
        .group_by(drift.c.window)
    )
    with state.begin() as connection:
        return {row.window: Compared(window=row.window, columns=row.columns, drifted=int(row.drifted)) for row in connection.execute(query)}


def farthest(state: State, model: str, *, after: datetime, most: int) -> list[str]:
    """The feature columns that lay the farthest beyond their thresholds in any window, the farthest first; at most `most`."""
    beyond = func.max(drift.c.value / drift.c.threshold)
    query = (
        select(drift.c.column)
        .join(windows, windows.c.id == drift.c.window)
        .where(_since(model, after), drift.c.kind.not_in(NOT_FEATURES), drift.c.threshold > 0)
        .group_by(drift.c.column)
        .order_by(beyond.desc(), drift.c.column)
        .limit(most)
    )
    with state.begin() as connection:
        return [row.column for row in connection.execute(query)]


def drifts(state: State, model: str, *, after: datetime, columns: Sequence[str]) -> dict[str, list[Drift]]:
    """Window → how far these columns lay in it, and its target and predictions.

    Of what a promise said of a column only whether it said anything is told: its `verdict` is empty then, else None. There are thousands.
    """
    named = drift.c.column.in_(columns) | drift.c.kind.in_(NOT_FEATURES)
    told = [one for one in drift.c if one.name not in ("window", "verdict")]
    query = (
        select(drift.c.window, drift.c.verdict.is_not(None).label("is_judged"), *told)
        .join(windows, windows.c.id == drift.c.window)
        .where(_since(model, after), named)
        .order_by(windows.c.number, drift.c.column)
    )
    found: dict[str, list[Drift]] = {}
    with state.begin() as connection:
        rows: Iterable[Any] = connection.execute(query)
        for window, is_judged, column, kind, method, value, threshold, drifted in rows:
            one = Drift(
                column=column,
                kind=kind,
                method=method,
                value=value,
                threshold=threshold,
                drifted=drifted,
                verdict={} if is_judged else None,
            )
            found.setdefault(window, []).append(one)
    return found


def alarmed(state: State, model: str, *, after: datetime) -> dict[str, list[Alarmed]]:
    """Window → what drifted in it, target and predictions too, the farthest beyond its threshold first."""
    query = (
        select(drift.c.window, drift.c.column, drift.c.kind, drift.c.value, drift.c.threshold)
        .join(windows, windows.c.id == drift.c.window)
        .where(_since(model, after), drift.c.drifted)
        .order_by(windows.c.number, drift.c.column)
    )
    found: dict[str, list[tuple[float, Alarmed]]] = {}
    with state.begin() as connection:
        for row in connection.execute(query):
            far = row.value / row.threshold if row.threshold > 0 else 0.0
            found.setdefault(row.window, []).append((far, Alarmed(row.column, row.kind)))
    return {window: [one for _, one in sorted(drifted, key=lambda item: -item[0])] for window, drifted in found.items()}


def qualities(state: State, model: str, *, after: datetime) -> dict[str, list[Quality]]:
    """Window → the champion's metrics on its labelled rows."""
    query = select(quality).join(windows, windows.c.id == quality.c.window).where(_since(model, after)).order_by(quality.c.metric)
    found: dict[str, list[Quality]] = {}
    with state.begin() as connection:
        for row in connection.execute(query):
            found.setdefault(row.window, []).append(record(Quality, row))
    return found


def intervals(state: State, model: str, *, after: datetime) -> dict[str, dict[str, tuple[float, float]]]:
    """Window → metric → its 95 % interval, as it was measured; nothing of windows that an earlier version measured."""
    query = select(details.c.window, details.c.content).join(windows, windows.c.id == details.c.window)
    kept = query.where(_since(model, after), details.c.kind == "intervals")
    with state.begin() as connection:
        return {row.window: {name: (low, high) for name, (low, high) in row.content.items()} for row in connection.execute(kept)}


def concepts(state: State, model: str, *, after: datetime) -> dict[str, dict[str, Any]]:
    """Window → its quality against fresh models (`ml.monitoring.concept.ConceptDrift`) as JSON, where that was kept."""
    query = select(details.c.window, details.c.content).join(windows, windows.c.id == details.c.window)
    with state.begin() as connection:
        return {row.window: row.content for row in connection.execute(query.where(_since(model, after), details.c.kind == "concept"))}


def estimates(state: State, model: str, *, after: datetime) -> dict[str, list[WindowEstimate]]:
    """Window → what was estimated without labels, by the metric's name."""
    query = select(estimated).join(windows, windows.c.id == estimated.c.window).where(_since(model, after)).order_by(estimated.c.metric)
    found: dict[str, list[WindowEstimate]] = {}
    with state.begin() as connection:
        for row in connection.execute(query):
            found.setdefault(row.window, []).append(record(WindowEstimate, row))
    return found


def decided(state: State, model: str, *, after: datetime, evidence: bool = True) -> list[Decision]:
    """The decisions since a moment, oldest first: those about windows, and rollbacks. Without their evidence, which is large, if asked."""
    wanted = [one for one in decisions.c if evidence or one.name != "evidence"]
    query = select(*wanted, *([] if evidence else [literal_column("'{}'", decisions.c.evidence.type).label("evidence")]))
    query = query.where(decisions.c.model == model, decisions.c.decided_at > after)
    with state.begin() as connection:
        return [record(Decision, row) for row in connection.execute(query.order_by(decisions.c.decided_at, decisions.c.id))]


def outlined(state: State, model: str, *, after: datetime) -> list[Decision]:
    """As `decided`, without evidence, rules and failed tries: they are the most of a decision, and a page of many windows shows none."""
    told = [one for one in decisions.c if one.name not in ("evidence", "rules", "failures")]
    query = select(*told).where(decisions.c.model == model, decisions.c.decided_at > after)
    with state.begin() as connection:
        rows = connection.execute(query.order_by(decisions.c.decided_at, decisions.c.id))
        return [Decision(evidence={}, **row._mapping) for row in rows]


def _since(model: str, after: datetime) -> ColumnElement[bool]:
    return and_(windows.c.model == model, windows.c.as_of > after)
