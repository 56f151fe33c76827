"""What was measured and decided over time, read in a few queries however many windows and columns there are."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select

from ml.state.ledger import ASKING
from ml.state.measured import Measured
from ml.state.measured import measured as of_windows
from ml.state.records import NOT_FEATURES, Decision, Drift, Window, WindowEstimate, by_window
from ml.state.store import State
from ml.state.tables import decisions, drift, windows
from ml.state.tables import estimates as estimated


def taken(state: State, model: str, *, after: datetime) -> list[Window]:
    """The windows that were taken after a moment, oldest first."""
    query = select(windows).where(_since(model, after)).order_by(windows.c.number)
    return state.all(Window, query)


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


def measured(state: State, model: str, *, after: datetime) -> dict[str, Measured]:
    """Window → what was measured in it; without windows in which nothing was."""
    with state.begin() as connection:
        return of_windows(connection, _since(model, after))


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


def estimates(state: State, model: str, *, after: datetime) -> dict[str, list[WindowEstimate]]:
    """Window → what was estimated without labels, by the metric's name."""
    query = select(estimated).join(windows, windows.c.id == estimated.c.window).where(_since(model, after)).order_by(estimated.c.metric)
    with state.begin() as connection:
        return by_window(WindowEstimate, connection.execute(query))


def decided(state: State, model: str, *, after: datetime, evidence: bool = True) -> list[Decision]:
    """The decisions since a moment, oldest first: those about windows, and rollbacks. Without their evidence, which is large, if asked."""
    wanted = [one for one in decisions.c if evidence or one.name != "evidence"]
    query = select(*wanted).where(decisions.c.model == model, decisions.c.decided_at > after)
    with state.begin() as connection:
        rows = connection.execute(query.order_by(decisions.c.decided_at, decisions.c.id))
        return [Decision(**{"evidence": {}, **row._mapping}) for row in rows]


def _since(model: str, after: datetime) -> ColumnElement[bool]:
    return and_(windows.c.model == model, windows.c.as_of > after)
