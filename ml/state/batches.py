"""Deliveries that were seen, batches, and late labels: what arrived when, and what became of it."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select

from ml.state.records import Batch, record
from ml.state.sql import insert_once, upsert
from ml.state.store import State
from ml.state.tables import batches, deliveries, labels


def find(state: State, model: str, batch: str) -> Batch | None:
    """The batch with this id, or None."""
    with state.begin() as connection:
        row = connection.execute(select(batches).where(batches.c.model == model, batches.c.id == batch)).first()
    return record(Batch, row) if row else None


def save(state: State, batch: Batch) -> None:
    """Stores the batch, or replaces what was stored about it. The arrival time of the first sight stays."""
    with state.begin() as connection:
        where = (batches.c.model == batch.model) & (batches.c.id == batch.id)
        first_seen = connection.execute(select(batches.c.arrived_at).where(where)).scalar()
        upsert(connection, batches, {**asdict(batch), "arrived_at": first_seen or batch.arrived_at})


def listed(state: State, model: str, *, status: str | None = None, as_of: datetime | None = None) -> list[Batch]:
    """The model's batches in the order of arrival; of one status only, and as known at a moment, if asked."""
    query = select(batches).where(batches.c.model == model).order_by(batches.c.arrived_at, batches.c.id)
    if status is not None:
        query = query.where(batches.c.status == status)
    if as_of is not None:
        query = query.where(batches.c.decided_at <= as_of)
    with state.begin() as connection:
        return [record(Batch, row) for row in connection.execute(query)]


def accepted_between(state: State, model: str, *, after_version: int, to_version: int) -> list[Batch]:
    """The batches that made the dataset versions in (`after_version`, `to_version`], oldest first."""
    query = (
        select(batches)
        .where(batches.c.model == model, batches.c.dataset_version > after_version, batches.c.dataset_version <= to_version)
        .order_by(batches.c.dataset_version)
    )
    with state.begin() as connection:
        return [record(Batch, row) for row in connection.execute(query)]


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


def quarantined_counts(state: State, models: Iterable[str]) -> dict[str, int]:
    """Model → number of batches in quarantine."""
    names = list(models)
    counts = dict.fromkeys(names, 0)
    with state.begin() as connection:
        for row in connection.execute(select(batches.c.model).where(batches.c.status == "quarantined", batches.c.model.in_(names))):
            counts[row.model] += 1
    return counts
