"""How all models stand, in a few queries however many models and windows there are. Each takes the models that are asked about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, and_, func, select

from ml.state.measured import compared, intervals
from ml.state.records import Promotion, record
from ml.state.sql import given
from ml.state.tables import approvals, batches, decisions, promotions, quality, trainings, windows

STANDING = ("open", "claimed", "suggested")
"""States of decisions that something or somebody still has to act on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One window: how many of its feature `columns` were compared, and how many drifted. `champion`: the version that served then."""

    window: str
    model: str
    number: int
    champion: int
    is_measured: bool
    columns: int = 0
    drifted: int = 0

    @property
    def share(self) -> float | None:
        """The share (0-1) of the compared columns that drifted; None where none was compared."""
        return self.drifted / self.columns if self.columns else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A metric of a window on labelled rows, with its 95 % interval where one was measured. `champion`: the version that was judged."""

    model: str
    window: str
    number: int
    champion: int
    at: datetime
    metric: str
    value: float
    rows: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A decision without its evidence and rules. `kind`: `retrain` or `rollback`."""

    id: str
    model: str
    window: str | None
    kind: str
    retrain: bool
    reasons: list[str]
    state: str
    decided_at: datetime
    report_url: str | None
    until: datetime | None
    answer: dict[str, Any] | None
    outcome: dict[str, Any] | None


_SAID = tuple(decisions.c[one.name] for one in fields(Said))


def champions(connection: Connection, models: Sequence[str]) -> dict[str, Promotion]:
    """Model → the change that made its champion."""
    newest = select(func.max(promotions.c.number)).where(promotions.c.model.in_(models)).group_by(promotions.c.model)
    found = connection.execute(select(promotions).where(promotions.c.number.in_(newest)))
    return {row.model: record(Promotion, row) for row in found}


def newest(connection: Connection, models: Sequence[str]) -> dict[str, int]:
    """Model → the number of its newest window."""
    asked = given(connection, dict.fromkeys(models, 0))
    highest = select(func.max(windows.c.number)).where(windows.c.model == asked.c.model).scalar_subquery()
    found = {row.model: row.highest for row in connection.execute(select(asked.c.model, highest.label("highest")))}
    return {model: number for model, number in found.items() if number is not None}


def looks(connection: Connection, newest: Mapping[str, int], *, most: int) -> dict[str, list[Look]]:
    """Model → its windows by number, at most `most` up to its newest one, oldest first."""
    if not newest:
        return {}
    after = _after(connection, newest, most=most)
    columns = (windows.c.id, windows.c.model, windows.c.number, windows.c.champion, windows.c.measured_at.is_not(None))
    query = select(*columns).join(after, _is_later(after)).order_by(windows.c.model, windows.c.number)
    counted = compared(connection, _is_later(after))
    found: dict[str, list[Look]] = {}
    read: Iterable[Any] = connection.execute(query)
    for id_, model, number, champion, is_measured in read:
        of_columns, drifted = counted.get(id_, (0, 0))
        known = {"number": number, "champion": champion, "is_measured": bool(is_measured)}
        found.setdefault(model, []).append(Look(window=id_, model=model, **known, columns=of_columns, drifted=drifted))
    return found


def judged(connection: Connection, metrics: Mapping[str, str], newest: Mapping[str, int], *, most: int) -> dict[str, Judged]:
    """Model → the metric that is named for it, in the newest window whose labels gave it, among `most` up to its newest one.

    Intervals are of the measurement; nothing is told of those of windows that an earlier version measured.
    """
    if not newest:
        return {}
    after = _after(connection, newest, most=most)
    last = (
        select(windows.c.model, quality.c.metric, func.max(windows.c.number).label("number"))
        .join(after, _is_later(after))
        .join(quality, quality.c.window == windows.c.id)
        .where(windows.c.labelled_rows > 0, quality.c.metric.in_(set(metrics.values())))
        .group_by(windows.c.model, quality.c.metric)
        .subquery()
    )
    of_window = (windows.c.id, windows.c.model, windows.c.number, windows.c.champion, windows.c.as_of)
    query = (
        select(*of_window, quality.c.metric, quality.c.value, quality.c.rows)
        .join(last, and_(windows.c.model == last.c.model, windows.c.number == last.c.number))
        .join(quality, and_(quality.c.window == windows.c.id, quality.c.metric == last.c.metric))
    )
    rows = [row for row in connection.execute(query) if metrics[row.model] == row.metric]
    around = intervals(connection, windows.c.id.in_([row.id for row in rows]))
    return {
        row.model: Judged(
            model=row.model,
            window=row.id,
            number=row.number,
            champion=row.champion,
            at=row.as_of,
            metric=row.metric,
            value=row.value,
            rows=row.rows,
            low=around.get(row.id, {}).get(row.metric, (None, None))[0],
            high=around.get(row.id, {}).get(row.metric, (None, None))[1],
        )
        for row in rows
    }


def said(connection: Connection, models: Sequence[str]) -> dict[str, Said]:
    """Model → its newest decision."""
    asked = given(connection, dict.fromkeys(models, 0))
    latest = select(func.max(decisions.c.decided_at)).where(decisions.c.model == asked.c.model).scalar_subquery()
    last = select(asked.c.model, latest.label("at")).subquery()
    is_last = and_(decisions.c.model == last.c.model, decisions.c.decided_at == last.c.at)
    query = select(*_SAID).join(last, is_last).order_by(decisions.c.id)
    return {row.model: record(Said, row) for row in connection.execute(query)}


def recent(connection: Connection, model: str, *, most: int, skip: int) -> list[Said]:
    """The model's decisions, newest first: at most `most`, after the newest `skip` ones."""
    query = select(*_SAID).where(decisions.c.model == model).order_by(decisions.c.decided_at.desc(), decisions.c.id.desc())
    return [record(Said, row) for row in connection.execute(query.offset(skip).limit(most))]


def standing(connection: Connection, models: Sequence[str]) -> dict[str, dict[str, int]]:
    """Model → state → how many of its decisions stand in it, of those that wait for something."""
    of_state = (decisions.c.model.in_(models), decisions.c.state.in_(STANDING))
    query = (
        select(decisions.c.model, decisions.c.state, func.count().label("decisions"))
        .where(*of_state)
        .group_by(decisions.c.model, decisions.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.model, {})[row.state] = row.decisions
    return found


def asked(connection: Connection, models: Sequence[str]) -> dict[str, int]:
    """Model → how many approvals wait for a person."""
    query = (
        select(approvals.c.model, func.count().label("waiting"))
        .join(trainings, trainings.c.key == approvals.c.training)
        .where(approvals.c.model.in_(models), approvals.c.answered_at.is_(None), trainings.c.state == "running")
        .group_by(approvals.c.model)
    )
    return {row.model: row.waiting for row in connection.execute(query)}


def quarantined(connection: Connection, models: Sequence[str]) -> dict[str, int]:
    """Model → how many batches are in quarantine."""
    of_status = (batches.c.model.in_(models), batches.c.status == "quarantined")
    query = select(batches.c.model, func.count().label("waiting")).where(*of_status).group_by(batches.c.model)
    return {row.model: row.waiting for row in connection.execute(query)}


def begin_of(connection: Connection, model: str, *, most: int) -> datetime | None:
    """When the newest window before the model's newest `most` ones was taken; None where it has no more than those."""
    query = select(windows.c.as_of).where(windows.c.model == model).order_by(windows.c.number.desc()).offset(most).limit(1)
    found: datetime | None = connection.execute(query).scalar()
    return found


def first_of(connection: Connection, model: str) -> datetime | None:
    """When the model's first window was taken, or its first champion came, whichever was first; None before either."""
    look = select(windows.c.as_of).where(windows.c.model == model).order_by(windows.c.number).limit(1)
    change = select(promotions.c.at).where(promotions.c.model == model).order_by(promotions.c.number).limit(1)
    found = [at for query in (look, change) if (at := connection.execute(query).scalar()) is not None]
    return min(found, default=None)


def _after(connection: Connection, newest: Mapping[str, int], *, most: int) -> CTE:
    return given(connection, {model: number - most for model, number in newest.items()})


def _is_later(after: CTE) -> ColumnElement[bool]:
    return and_(windows.c.model == after.c.model, windows.c.number > after.c.number)
