"""Watches: what is known of a new champion beside the one that it replaced, since that change."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from ml.state.records import Watch, record
from ml.state.sql import insert_once
from ml.state.store import State
from ml.state.tables import watches


def begin(state: State, watch: Watch) -> Watch:
    """Stores a watch, or returns the one of the same change of champion."""
    with state.begin() as connection:
        insert_once(connection, watches, asdict(watch))
        return record(Watch, connection.execute(select(watches).where(watches.c.promotion == watch.promotion)).one())


def find(state: State, promotion: int) -> Watch | None:
    """The watch of a change of champion, or None."""
    return state.first(Watch, select(watches).where(watches.c.promotion == promotion))


def of_model(state: State, model: str) -> dict[int, Watch]:
    """Every watch of the model, by the number of its change."""
    with state.begin() as connection:
        found = connection.execute(select(watches).where(watches.c.model == model).order_by(watches.c.promotion))
        return {row.promotion: record(Watch, row) for row in found}


def advance(
    state: State,
    watch: Watch,
    *,
    dataset_version: int,
    labels_version: int,
    as_of: datetime,
    measure: dict[str, Any],
    wealth: dict[str, Any],
    rows: int,
    loss: float,
    former_loss: float,
    gain: dict[str, Any] | None,
) -> Watch | None:
    """Counts rows, if nobody has counted any since `watch` was read; else None, and nothing is written.

    Args:
        state: The state database.
        watch: As it was read: the rows after its cursor are those that are counted now.
        dataset_version: The new cursor, with the next two.
        labels_version: See `Watch`.
        as_of: See `Watch`.
        measure: What a wrong answer costs in the test.
        wealth: What the test has gathered with these rows.
        rows: How many rows are counted now, beside those before.
        loss: The sum of the champion's losses over them.
        former_loss: The sum of the former champion's.
        gain: The realised gain over all rows so far.
    """
    values = {
        "looks": watch.looks + 1,
        "dataset_version": dataset_version,
        "labels_version": labels_version,
        "as_of": as_of,
        "measure": measure,
        "wealth": wealth,
        "rows": watch.rows + rows,
        "loss": watch.loss + loss,
        "former_loss": watch.former_loss + former_loss,
        "gain": gain,
        "updated_at": as_of,
    }
    unchanged = (watches.c.promotion == watch.promotion, watches.c.looks == watch.looks, watches.c.state == "watching")
    return state.first(Watch, update(watches).where(*unchanged).values(values).returning(*watches.c))


def end(state: State, promotion: int, *, how: str, reason: str, at: datetime) -> Watch:
    """Ends a watch as `kept`, `rolled_back` or `ended`; one that has ended stays as it is. Returns it as it stands then."""
    same = watches.c.promotion == promotion
    values = {"state": how, "reason": reason, "updated_at": at}
    with state.begin() as connection:
        connection.execute(update(watches).where(same, watches.c.state == "watching").values(values))
        return record(Watch, connection.execute(select(watches).where(same)).one())
