"""What replays of the models' own histories found. The newest counts; older ones stay for the record, but not for ever."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, null, select, update

from ml.state.records import PlayedReplay, record
from ml.state.store import State
from ml.state.tables import replays

KEPT = 20
"""Of each model."""


def keep(state: State, *, model: str, at: datetime, spec_hash: str, result: dict[str, Any]) -> PlayedReplay:
    """Stores what a replay found; the oldest beyond `KEPT` go. Its declaration must be stored (`ml.state.specs.remember`)."""
    values = {"model": model, "at": at, "spec_hash": spec_hash, "result": result}
    mine = replays.c.model == model
    with state.begin() as connection:
        row = connection.execute(replays.insert().values(values).returning(*replays.c)).one()
        older = select(replays.c.number).where(mine).order_by(replays.c.number.desc()).offset(KEPT)
        connection.execute(delete(replays).where(mine, replays.c.number.in_([one.number for one in connection.execute(older)])))
        return record(PlayedReplay, row)


def newest(state: State, model: str) -> PlayedReplay | None:
    """The newest replay of the model, or None."""
    return _one(state, select(replays).where(replays.c.model == model).order_by(replays.c.number.desc()).limit(1))


def exists(state: State, model: str) -> bool:
    """Whether there is a replay of the model: without reading what it found."""
    with state.begin() as connection:
        return connection.execute(select(replays.c.number).where(replays.c.model == model).limit(1)).first() is not None


def numbered(state: State, model: str, number: int) -> PlayedReplay | None:
    """The replay of the model with that number, or None."""
    return _one(state, select(replays).where(replays.c.model == model, replays.c.number == number))


def shown_at(state: State, number: int, *, html: str) -> None:
    """Notes in a replay's result where its page is."""
    with state.begin() as connection:
        found: dict[str, Any] = connection.execute(select(replays.c.result).where(replays.c.number == number)).scalar_one()
        connection.execute(update(replays).where(replays.c.number == number).values(result={**found, "html": html}))


def of(state: State, model: str, *, at: datetime) -> PlayedReplay | None:
    """The replay of the model that was begun at that moment, or None."""
    return _one(state, select(replays).where(replays.c.model == model, replays.c.at == at))


def answer(state: State, number: int, *, approved: bool, by: str | None, at: datetime) -> PlayedReplay | None:
    """Writes down what was said to a replay's recommendation; the first answer stays. None: it is too old, and not kept any more."""
    said = {"approved": approved and by is not None, "by": by, "at": at.isoformat()}
    mine = replays.c.number == number
    with state.begin() as connection:
        connection.execute(update(replays).where(mine, replays.c.answer.is_(null())).values(answer=said))
        row = connection.execute(select(replays).where(mine)).first()
    return record(PlayedReplay, row) if row else None


def _one(state: State, query: Select[Any]) -> PlayedReplay | None:
    return state.first(PlayedReplay, query)
