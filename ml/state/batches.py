"""Deliveries that were seen, batches, and late labels: what arrived when, and what became of it."""

import hashlib
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func, select

from ml.state.records import Batch, BatchEvent
from ml.state.sql import insert_once, upsert
from ml.state.store import State
from ml.state.tables import batch_events, batches, deliveries, labels


def find(state: State, model: str, batch: str) -> Batch | None:
    """The batch with this id, or None."""
    return state.first(Batch, select(batches).where(batches.c.model == model, batches.c.id == batch))


def save(state: State, batch: Batch) -> None:
    """Stores the batch, or replaces what was stored about it. The arrival time of the first sight stays.

    A change of its status is kept as an event, so that "how did it stand then" has an answer.
    """
    with state.begin() as connection:
        where = (batches.c.model == batch.model) & (batches.c.id == batch.id)
        known = connection.execute(select(batches.c.arrived_at, batches.c.status).where(where)).first()
        upsert(connection, batches, {**asdict(batch), "arrived_at": known.arrived_at if known else batch.arrived_at})
        if known is None or known.status != batch.status:
            event = {"at": batch.decided_at, "dataset_version": batch.dataset_version}
            connection.execute(batch_events.insert().values(batch=batch.id, model=batch.model, status=batch.status, **event))


def history(state: State, model: str, batch: str) -> list[BatchEvent]:
    """Every status that the batch has had, oldest first."""
    query = select(batch_events).where(batch_events.c.model == model, batch_events.c.batch == batch).order_by(batch_events.c.number)
    return state.all(BatchEvent, query)


def listed(state: State, model: str, *, status: str | None = None, limit: int | None = None) -> list[Batch]:
    """The model's batches in the order of arrival; of one status only, if asked, and the first `limit`."""
    query = select(batches).where(batches.c.model == model).order_by(batches.c.arrived_at, batches.c.id)
    if status is not None:
        query = query.where(batches.c.status == status)
    return state.all(Batch, query.limit(limit))


def beginning(state: State, model: str, prefix: str) -> list[Batch]:
    """The model's batches whose id begins so, in the order of arrival."""
    begins = func.substr(batches.c.id, 1, len(prefix)) == prefix  # LIKE would not tell small letters from large ones on SQLite
    query = select(batches).where(batches.c.model == model, begins).order_by(batches.c.arrived_at, batches.c.id)
    return state.all(Batch, query)


def newest(state: State, model: str, *, limit: int, after: datetime | None = None, status: str | None = None) -> list[Batch]:
    """The model's newest `limit` batches, newest first: those that arrived after a moment, and of one status, if asked."""
    query = select(batches).where(batches.c.model == model)
    if after is not None:
        query = query.where(batches.c.arrived_at > after)
    if status is not None:
        query = query.where(batches.c.status == status)
    query = query.order_by(batches.c.arrived_at.desc(), batches.c.id).limit(limit)
    return state.all(Batch, query)


def count(state: State, model: str, *, status: str) -> int:
    """How many batches of the model have a status."""
    query = select(func.count()).where(batches.c.model == model, batches.c.status == status)
    with state.begin() as connection:
        return int(connection.execute(query).scalar_one())


def any_accepted(state: State, model: str) -> bool:
    """Whether the model has accepted rows at all."""
    query = select(batches.c.id).where(batches.c.model == model, batches.c.status == "accepted").limit(1)
    with state.begin() as connection:
        return connection.execute(query).first() is not None


def statuses(state: State, model: str, *, as_of: datetime) -> dict[str, str]:
    """Batch → the status that it had at a moment; without batches that had not been judged then."""
    query = select(batch_events).where(batch_events.c.model == model, batch_events.c.at <= as_of).order_by(batch_events.c.number)
    with state.begin() as connection:
        return {row.batch: row.status for row in connection.execute(query)}


def seen_fingerprints(state: State, model: str) -> dict[str, str]:
    """URL → fingerprint (size and time of change) of the files whose content was already judged."""
    with state.begin() as connection:
        return {
            row.url: row.fingerprint
            for row in connection.execute(select(deliveries.c.url, deliveries.c.fingerprint).where(deliveries.c.model == model))
        }


def mark_seen(state: State, model: str, *, url: str, fingerprint: str, batch: str, at: datetime) -> None:
    """Remembers that this file, as it is now, was judged as this batch. Idempotent."""
    key = hashlib.sha256(url.encode()).hexdigest()[:32]
    with state.begin() as connection:
        upsert(
            connection,
            deliveries,
            {"model": model, "url_hash": key, "url": url, "fingerprint": fingerprint, "batch": batch, "seen_at": at},
        )


def save_labels(state: State, model: str, *, delivery: str, source: str, rows: int, arrived_at: datetime, labels_version: int) -> bool:
    """Remembers a delivery of late labels; False if it was known."""
    with state.begin() as connection:
        return insert_once(
            connection,
            labels,
            {
                "id": delivery,
                "model": model,
                "source": source,
                "rows": rows,
                "arrived_at": arrived_at,
                "labels_version": labels_version,
            },
        )
