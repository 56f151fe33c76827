"""Forgetting a model: what the demo does before it plays its story again."""

from sqlalchemy import delete, select

from ml.state.store import State
from ml.state.tables import (
    alerts,
    approvals,
    batch_events,
    batches,
    decisions,
    deliveries,
    details,
    drift,
    estimates,
    labels,
    predicted,
    promotions,
    quality,
    replays,
    specs,
    trainings,
    watches,
    windows,
)


def forget(state: State, model: str) -> None:
    """Deletes every row about the model, in one transaction. Idempotent."""
    of_model = select(windows.c.id).where(windows.c.model == model)
    with state.begin() as connection:
        for table in (drift, quality, estimates, details):
            connection.execute(delete(table).where(table.c.window.in_(of_model)))
        whole = (
            alerts,
            watches,
            approvals,
            promotions,
            trainings,
            decisions,
            windows,
            labels,
            deliveries,
            batches,
            batch_events,
            predicted,
            replays,
            specs,
        )
        for table in whole:
            connection.execute(delete(table).where(table.c.model == model))
