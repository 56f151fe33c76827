"""Where a version comes from and what it led to: batches, sums of predictions, windows, changes of champion; counted, and read in pages."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, and_, func, select

from ml.state.records import Batch, Predicted, Promotion, Window, record
from ml.state.sql import lock, upsert
from ml.state.store import State
from ml.state.tables import batches, decisions, predicted, promotions, windows


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSum:
    """So many accepted batches, with so many rows together; `failing_rows` were accepted by force or as allowed by the suite."""

    batches: int
    rows: int
    failing_rows: int


def sum_of_batches(state: State, model: str, *, until: int) -> BatchSum:
    """The batches that a dataset version holds."""
    sums = (func.count().label("batches"), func.sum(batches.c.rows).label("rows"), func.sum(batches.c.failing_rows).label("failing"))
    query = select(*sums).where(_held(model, until))
    with state.begin() as connection:
        found = connection.execute(query).one()
    return BatchSum(batches=int(found.batches), rows=int(found.rows or 0), failing_rows=int(found.failing or 0))


def batches_of(state: State, model: str, *, until: int, limit: int, offset: int = 0) -> list[Batch]:
    """Some of the batches that a dataset version holds, those accepted last first."""
    query = select(batches).where(_held(model, until)).order_by(batches.c.dataset_version.desc(), batches.c.id)
    return state.all(Batch, query.limit(limit).offset(offset))


def reigns(state: State, model: str, version: int, *, limit: int) -> list[tuple[Promotion, Promotion | None]]:
    """When the version became champion, the newest first, each with the change that ended it; None where it still serves."""
    query = select(promotions).where(promotions.c.model == model, promotions.c.version == version).order_by(promotions.c.number.desc())
    found: list[tuple[Promotion, Promotion | None]] = []
    with state.begin() as connection:
        for row in connection.execute(query.limit(limit)).all():
            after = select(promotions).where(promotions.c.model == model, promotions.c.number > row.number)
            ended = connection.execute(after.order_by(promotions.c.number).limit(1)).first()
            found.append((record(Promotion, row), record(Promotion, ended) if ended else None))
    return found


def windows_of(state: State, model: str, version: int, *, limit: int) -> tuple[int, list[Window]]:
    """How many windows were taken while the version was champion, and the newest of them."""
    of_version = and_(windows.c.model == model, windows.c.champion == version)
    query = select(windows).where(of_version).order_by(windows.c.number.desc()).limit(limit)
    with state.begin() as connection:
        count = connection.execute(select(func.count()).where(of_version)).scalar_one()
        return int(count), [record(Window, row) for row in connection.execute(query)]


def asked_for(state: State, windows: Sequence[str]) -> dict[str, bool]:
    """Window → whether the first decision about it asked for a training; without windows that none was made about. One query."""
    query = select(decisions.c.window, decisions.c.retrain).where(decisions.c.window.in_(windows))
    with state.begin() as connection:
        rows = connection.execute(query.order_by(decisions.c.decided_at.desc(), decisions.c.id.desc()))
        return {row.window: row.retrain for row in rows}


def predictions_of(state: State, model: str, version: int) -> Predicted | None:
    """What the version has predicted; None where nothing is known to be."""
    return state.first(Predicted, select(predicted).where(predicted.c.model == model, predicted.c.version == version))


def save_predictions(state: State, model: str, sums: Sequence[Predicted]) -> None:
    """Stores what each version has predicted. The log only grows: a sum of fewer batches than is known is one that came too late."""
    with state.begin() as connection:
        lock(connection, f"predictions of {model}")
        known = {row.version: row.batches for row in connection.execute(select(predicted).where(predicted.c.model == model))}
        for one in sums:
            if one.batches >= known.get(one.version, 0):
                upsert(connection, predicted, {"model": model, **asdict(one)})


def _held(model: str, until: int) -> ColumnElement[bool]:
    return and_(batches.c.model == model, batches.c.status == "accepted", batches.c.dataset_version <= until)
