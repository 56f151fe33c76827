"""Training runs, and who was champion when."""

from dataclasses import asdict
from datetime import datetime
from types import EllipsisType
from typing import Any

from sqlalchemy import func, or_, select, update

from ml.errors import ModelOwnerError
from ml.state.records import Promotion, Training, record
from ml.state.sql import insert_once, lock
from ml.state.store import State
from ml.state.tables import promotions, trainings


def begin(state: State, training: Training) -> Training:
    """Stores a training run, or returns the one with the same key: a run that is tried again keeps its frozen inputs."""
    with state.begin() as connection:
        insert_once(connection, trainings, asdict(training))
        return record(Training, connection.execute(select(trainings).where(trainings.c.key == training.key)).one())


def find(state: State, key: str) -> Training | None:
    """The training run with this key, or None."""
    return state.first(Training, select(trainings).where(trainings.c.key == key))


def get(state: State, key: str) -> Training:
    """The training run with this key; `ModelOwnerError` if there is none."""
    found = find(state, key)
    if found is None:
        raise ModelOwnerError(f"no training run {key!r} was begun; start the run again from its first task")
    return found


def change(state: State, key: str, /, **values: Any) -> Training:
    """Sets columns of a training run and returns it as it is then."""
    with state.begin() as connection:
        connection.execute(update(trainings).where(trainings.c.key == key).values(values))
        return record(Training, connection.execute(select(trainings).where(trainings.c.key == key)).one())


def settle(state: State, key: str, verdict: dict[str, Any]) -> Training:
    """Stores the verdict of a training run unless one is stored; returns the run with the verdict that stands."""
    with state.begin() as connection:
        connection.execute(update(trainings).where(trainings.c.key == key, trainings.c.verdict.is_(None)).values(verdict=verdict))
        return record(Training, connection.execute(select(trainings).where(trainings.c.key == key)).one())


def of_version(state: State, model: str, version: int) -> Training | None:
    """The training run that made a version of the model, or None."""
    query = select(trainings).where(trainings.c.model == model, trainings.c.version == version)
    return state.first(Training, query)


def versions(state: State, model: str) -> list[int]:
    """The versions of the model whose training is known, in their order."""
    query = select(trainings.c.version).where(trainings.c.model == model, trainings.c.version.is_not(None)).order_by(trainings.c.version)
    with state.begin() as connection:
        return [int(row.version) for row in connection.execute(query)]


def recent(state: State, model: str, *, limit: int, finished_by: datetime | None = None) -> list[Training]:
    """The newest training runs of the model, newest first; or of those alone that had come to an end by a moment."""
    query = select(trainings).where(trainings.c.model == model).order_by(trainings.c.started_at.desc()).limit(limit)
    if finished_by is not None:
        query = query.where(trainings.c.finished_at <= finished_by)
    return state.all(Training, query)


def last_asked_at(state: State, model: str, *, by: datetime) -> datetime | None:
    """When the newest training that a decision asked for was started, as known at a moment; None if none was, or it had failed by then."""
    stood = or_(trainings.c.state != "failed", trainings.c.finished_at > by)
    query = (
        select(trainings.c.started_at)
        .where(trainings.c.model == model, trainings.c.decision.is_not(None), stood, trainings.c.started_at <= by)
        .order_by(trainings.c.started_at.desc())
        .limit(1)
    )
    with state.begin() as connection:
        found: datetime | None = connection.execute(query).scalar()
        return found


def champion(state: State, model: str, *, as_of: datetime | None = None) -> Promotion | None:
    """The promotion that made the champion of now, or of a moment; None before the first."""
    query = select(promotions).where(promotions.c.model == model).order_by(promotions.c.number.desc()).limit(1)
    if as_of is not None:
        query = query.where(promotions.c.at <= as_of)
    return state.first(Promotion, query)


def promotion_history(state: State, model: str) -> list[Promotion]:
    """Every change of champion, oldest first."""
    query = select(promotions).where(promotions.c.model == model).order_by(promotions.c.number)
    return state.all(Promotion, query)


def crown(
    state: State,
    *,
    model: str,
    version: int,
    kind: str,
    at: datetime,
    by: str,
    reason: str,
    key: str,
    evidence: dict[str, Any] | None = None,
    expected: int | EllipsisType | None = ...,
    after: int | None = None,
) -> Promotion | None:
    """Writes a change of champion; the same `key` writes it once, however often it is asked.

    Changes follow each other in time as in number: one that comes from a clock that is behind gets the time of the change before it.

    Args:
        state: The state database.
        model: Whose champion.
        version: The new champion.
        kind: `promote` or `rollback`.
        at: When.
        by: Who: a user, `gate`, or `watch`.
        reason: Why, in words.
        key: What makes this change the same as another one.
        evidence: The verdict, or whatever speaks for it.
        expected: The champion that the evidence was measured against (None: there was none). If another version is champion by now,
            nothing is written and None is returned.
        after: The number of the newest change that the evidence is about; else as `expected`.
    """
    with state.begin() as connection:
        lock(connection, f"champion of {model}")
        same = select(promotions).where(promotions.c.model == model, promotions.c.key == key)
        if (known := connection.execute(same).first()) is not None:
            return record(Promotion, known)
        newest = connection.execute(
            select(promotions).where(promotions.c.model == model).order_by(promotions.c.number.desc()).limit(1)
        ).first()
        previous = newest.version if newest is not None else None
        if (expected is not ... and previous != expected) or (after is not None and (newest is None or newest.number != after)):
            return None
        moment = max(at, newest.at) if newest is not None else at
        values = {"model": model, "version": version, "previous": previous, "kind": kind, "at": moment}
        connection.execute(promotions.insert().values(**values, by=by, reason=reason, evidence=evidence, key=key))
        return record(Promotion, connection.execute(same).one())


def told(state: State, model: str, *, number: int, at: datetime) -> bool:
    """Notes that MLflow's aliases agree with this change of champion; False if another one came after it, so that they may not."""
    with state.begin() as connection:
        newest = select(func.max(promotions.c.number)).where(promotions.c.model == model).scalar_subquery()
        of_this = (promotions.c.model == model, promotions.c.number == number, promotions.c.number == newest)
        return (
            connection.execute(update(promotions).where(*of_this).values(aliased_at=at).returning(promotions.c.number)).first() is not None
        )


def is_told(state: State, model: str) -> bool:
    """Whether MLflow's aliases were seen to agree with the newest change of champion; True where there is none."""
    query = select(promotions.c.aliased_at).where(promotions.c.model == model).order_by(promotions.c.number.desc()).limit(1)
    with state.begin() as connection:
        row = connection.execute(query).first()
    return row is None or row.aliased_at is not None
