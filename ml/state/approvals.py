"""Questions to people: may the winner of a training become champion, and who said so."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select, update

from ml.state.records import Approval, record
from ml.state.sql import insert_once
from ml.state.store import State
from ml.state.tables import approvals, trainings


def ask(state: State, approval: Approval) -> Approval:
    """Writes down that a person was asked; one that stands unanswered gets the new times, an answer stays."""
    with state.begin() as connection:
        same = approvals.c.training == approval.training
        if not insert_once(connection, approvals, asdict(approval)):
            times = {"asked_at": approval.asked_at, "until": approval.until}
            connection.execute(update(approvals).where(same, approvals.c.answered_at.is_(None)).values(times))
        return record(Approval, connection.execute(select(approvals).where(same)).one())


def answer(state: State, training: str, *, approved: bool, by: str | None, at: datetime) -> Approval | None:
    """Writes down the answer, unless one stands already; the one that stands. None where nobody was asked."""
    with state.begin() as connection:
        same = approvals.c.training == training
        values = {"approved": approved, "by": by, "answered_at": at}
        connection.execute(update(approvals).where(same, approvals.c.answered_at.is_(None)).values(values))
        row = connection.execute(select(approvals).where(same)).first()
    return record(Approval, row) if row else None


def find(state: State, training: str) -> Approval | None:
    """What was asked about a training, and answered; None where nobody was asked."""
    return state.first(Approval, select(approvals).where(approvals.c.training == training))


def waiting(state: State, model: str) -> list[Approval]:
    """Questions about trainings that are under way and that nobody has answered, oldest first."""
    query = (
        select(approvals)
        .join(trainings, trainings.c.key == approvals.c.training)
        .where(approvals.c.model == model, approvals.c.answered_at.is_(None), trainings.c.state == "running")
        .order_by(approvals.c.asked_at)
    )
    return state.all(Approval, query)
