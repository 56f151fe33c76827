"""Suggestions: decisions that ask for a training and wait for a person's word. Without one, in time, the answer is no."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update

from ml.state.records import Decision, record
from ml.state.sql import lock
from ml.state.store import State
from ml.state.tables import decisions

_LOOKED_BACK = 50


def waiting(state: State, model: str, *, at: datetime) -> list[Decision]:
    """Suggestions that nobody has answered and whose time is not over, oldest first."""
    query = select(decisions).where(_suggested(model), decisions.c.until > at).order_by(decisions.c.decided_at, decisions.c.id)
    return state.all(Decision, query)


def ask(state: State, model: str, *, run: str, at: datetime) -> Decision | None:
    """The newest suggestion, which this run asks a person about now; the older ones become `superseded`. None: there is none.

    A run that was killed after that gets the same one, or a newer one, when it asks again. What another run was asking about passes to
    this one.
    """
    with state.begin() as connection:
        lock(connection, f"decisions of {model}")
        query = select(decisions).where(_suggested(model), decisions.c.until > at)
        rows = connection.execute(query.order_by(decisions.c.decided_at, decisions.c.id)).all()
        if not rows:
            return None
        newest = rows[-1].id
        older = [row.id for row in rows[:-1]]
        gone = {"state": "superseded", "claimed_by": None, "outcome": {"superseded_by": newest}}
        connection.execute(update(decisions).where(decisions.c.id.in_(older), decisions.c.state == "suggested").values(gone))
        asked = update(decisions).where(decisions.c.id == newest).values(claimed_by=run).returning(*decisions.c)
        return record(Decision, connection.execute(asked).one())


def answer(state: State, decision: str, *, approved: bool, by: str | None, at: datetime) -> Decision:
    """Writes down a person's answer, unless the suggestion has one or its time is over; the decision as it stands then.

    `by` is None where nobody answered: then it expires. A "yes" opens it, a "no" declines it. A person answers for all suggestions of the
    model that stand at that moment: one training is started, or none, and nobody is asked again about what was known then.
    """
    with state.begin() as connection:
        same = decisions.c.id == decision
        found = record(Decision, connection.execute(select(decisions).where(same)).one())
        lock(connection, f"decisions of {found.model}")
        said = {"approved": approved and by is not None, "by": by, "at": at.isoformat()}
        if by is None or (found.until is not None and at > found.until):
            values = _expired(at)
        elif approved:
            values = {"state": "open", "claimed_by": None, "answer": said}
        else:
            values = {"state": "declined", "claimed_by": None, "answer": said, "outcome": {"declined_by": by, "at": at.isoformat()}}
        changed = update(decisions).where(same, decisions.c.state == "suggested").values(values).returning(decisions.c.state)
        if connection.execute(changed).scalar_one_or_none() in ("open", "declined"):
            gone = {"state": "superseded", "claimed_by": None, "outcome": {"answered_with": decision}}
            connection.execute(update(decisions).where(_suggested(found.model)).values(gone))
        return record(Decision, connection.execute(select(decisions).where(same)).one())


def asked_by(state: State, run: str) -> Decision | None:
    """The decision that this run has asked a person about and that nobody has answered; None where it stands no longer."""
    query = select(decisions).where(decisions.c.state == "suggested", decisions.c.claimed_by == run)
    return state.first(Decision, query)


def expire(state: State, model: str, *, at: datetime) -> list[Decision]:
    """Ends the suggestions that nobody has answered in time, and returns them: the answer is no."""
    over = and_(_suggested(model), decisions.c.until <= at)
    with state.begin() as connection:
        rows = connection.execute(update(decisions).where(over).values(_expired(at)).returning(*decisions.c)).all()
    return [record(Decision, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A suggestion of which nothing came: how it ended (`declined`, `expired`), and when the answer was no."""

    state: str
    at: datetime


def last_refused(state: State, model: str, *, by: datetime) -> Refused | None:
    """The suggestion that was declined or expired last, as known at a moment; None if there is none."""
    ended = (decisions.c.model == model, decisions.c.state.in_(["declined", "expired"]), decisions.c.decided_at <= by)
    query = select(decisions).where(*ended).order_by(decisions.c.decided_at.desc()).limit(_LOOKED_BACK)
    with state.begin() as connection:
        found = [_refused(record(Decision, row)) for row in connection.execute(query)]
    return max((one for one in found if one.at <= by), key=lambda one: one.at, default=None)


def _refused(one: Decision) -> Refused:
    """One that expired did so at its time, however late that was seen."""
    ended = (one.outcome or {}).get("at")
    at = datetime.fromisoformat(ended) if ended is not None else one.decided_at
    return Refused(state=one.state, at=min(at, one.until) if one.state == "expired" and one.until is not None else at)


def supersede(state: State, decision: str, *, reason: str) -> None:
    """Ends a suggestion that has become pointless."""
    gone = {"state": "superseded", "claimed_by": None, "outcome": {"reason": reason}}
    with state.begin() as connection:
        connection.execute(update(decisions).where(decisions.c.id == decision, decisions.c.state == "suggested").values(gone))


def _suggested(model: str) -> ColumnElement[bool]:
    return and_(decisions.c.model == model, decisions.c.state == "suggested")


def _expired(at: datetime) -> dict[str, Any]:
    return {
        "state": "expired",
        "claimed_by": None,
        "outcome": {"reason": "nobody answered in time: the answer is no", "at": at.isoformat()},
    }
