"""What was estimated of windows without labels, how that turned out, and what else was measured in a window, as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, update

from ml.state.records import Window, WindowEstimate, record
from ml.state.sql import lock, upsert
from ml.state.store import State
from ml.state.tables import details, estimates, windows

Kind = Literal["concept", "ranking", "segments", "intervals", "labels"]
"""What is kept of a window beside drift, quality and estimates, each time that it is measured anew."""
SHADOW: Literal["shadow"] = "shadow"
"""What is kept of its shadow, which costs a fit: another measuring of the window does not remove it."""


@dataclass(frozen=True, slots=True)
class OfWindow:
    """A measured window and the estimate of one metric in it."""

    window: Window
    estimate: WindowEstimate


def save(state: State, window_id: str, found: Sequence[WindowEstimate], *, more: Mapping[Kind, Any]) -> None:
    """Stores what was estimated of a window, and `more` as JSON, in one transaction; a second call replaces the first.

    So does one at the same time: one waits for the other.
    """
    with state.begin() as connection:
        lock(connection, f"window {window_id}")
        connection.execute(estimates.delete().where(estimates.c.window == window_id))
        connection.execute(details.delete().where(details.c.window == window_id, details.c.kind != SHADOW))
        if found:
            connection.execute(estimates.insert(), [{"window": window_id, **asdict(one)} for one in found])
        if more:
            connection.execute(details.insert(), [{"window": window_id, "kind": kind, "content": one} for kind, one in more.items()])


def save_matured(state: State, window_id: str, measured: Mapping[str, float], *, labelled_rows: int, at: datetime) -> None:
    """Writes down, once for each window, what the estimated metrics turned out to be; a second call changes nothing."""
    unmatured = (estimates.c.window == window_id, estimates.c.matured_at.is_(None))
    with state.begin() as connection:
        for row in connection.execute(select(estimates.c.metric).where(*unmatured)).all():
            values = {"measured": measured.get(row.metric), "labelled_rows": labelled_rows, "matured_at": at}
            connection.execute(update(estimates).where(*unmatured, estimates.c.metric == row.metric).values(values))


def of_window(state: State, window_id: str) -> list[WindowEstimate]:
    """The estimates of a window, by the metric's name."""
    query = select(estimates).where(estimates.c.window == window_id).order_by(estimates.c.metric)
    return state.all(WindowEstimate, query)


def of_champion(state: State, model: str, *, champion: int, metric: str, before: int) -> list[OfWindow]:
    """The estimates of a metric in a champion's measured windows with numbers below `before`, oldest first."""
    chosen = (windows.c.model == model, windows.c.champion == champion, windows.c.number < before, windows.c.measured_at.is_not(None))
    ids = select(windows).join(estimates, estimates.c.window == windows.c.id).where(*chosen, estimates.c.metric == metric)
    found = select(estimates).join(windows, estimates.c.window == windows.c.id).where(*chosen, estimates.c.metric == metric)
    with state.begin() as connection:
        opened = connection.execute(ids.order_by(windows.c.number)).all()
        estimated = connection.execute(found.order_by(windows.c.number)).all()
    return [OfWindow(record(Window, one), record(WindowEstimate, other)) for one, other in zip(opened, estimated, strict=True)]


def detail(state: State, window_id: str, kind: Kind | Literal["shadow"]) -> Any:
    """What was kept of one kind, or None."""
    query = select(details.c.content).where(details.c.window == window_id, details.c.kind == kind)
    with state.begin() as connection:
        return connection.execute(query).scalar()


def keep_shadow(state: State, window_id: str, content: Any) -> None:
    """Stores what is known of the window's shadow, as JSON; a second call replaces the first."""
    with state.begin() as connection:
        upsert(connection, details, {"window": window_id, "kind": SHADOW, "content": content})


def shadows(state: State, model: str, *, until: int, limit: int) -> list[tuple[Window, Any]]:
    """What is known of the shadows of the windows with numbers up to `until`, with their windows: the newest `limit`, newest first."""
    query = (
        select(windows, details.c.content)
        .join(details, details.c.window == windows.c.id)
        .where(windows.c.model == model, windows.c.number <= until, details.c.kind == SHADOW)
        .order_by(windows.c.number.desc())
        .limit(limit)
    )
    with state.begin() as connection:
        return [(record(Window, row), row.content) for row in connection.execute(query)]
