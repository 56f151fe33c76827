"""The ledger: windows, what was measured in them, and the decisions. The truth about "must this model be retrained, and why"."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select, update

from ml.state.records import Decision, Drift, Quality, Window, record
from ml.state.sql import insert_once, lock
from ml.state.store import State
from ml.state.tables import decisions, drift, promotions, quality, trainings, windows
from ml.wording import moment

LEASE = timedelta(hours=8)
"""How long a claim holds when its run neither finishes nor gives it back."""
MOST_TRIES = 3
"""After so many runs that came to no end a decision has failed: somebody must look."""
ASKING = frozenset({"open", "claimed", "suggested"})
"""States of a decision that asks for a training which has not come to an end."""
GIVEN_UP = "none"
"""In place of the policy's version: the window could not be judged, and no rule was asked."""
_LONGEST_ERROR = 1000
_CURE = "The logs of these runs say why. Mend that, then `perennial train {model}`; the next window decides anew."


def open_window(state: State, window: Window) -> Window:
    """Stores the window under the model's next number, or returns the one that already starts at the same dataset version.

    `window.id` and `window.number` are given here: what the argument says there is not used.
    """
    with state.begin() as connection:
        lock(connection, f"windows of {window.model}")
        number = _next_number(connection, window.model)
        numbered = replace(window, id=f"{window.model}-{number:06d}", number=number)
        insert_once(connection, windows, asdict(numbered))
        query = select(windows).where(windows.c.model == window.model, windows.c.start_version == window.start_version)
        return record(Window, connection.execute(query).one())


def last_window(state: State, model: str) -> Window | None:
    """The newest window of the model, or None."""
    query = select(windows).where(windows.c.model == model).order_by(windows.c.number.desc()).limit(1)
    return state.first(Window, query)


def find_window(state: State, window_id: str) -> Window | None:
    """The window with this id, or None."""
    return state.first(Window, select(windows).where(windows.c.id == window_id))


def recent_windows(state: State, model: str, *, limit: int, until: int | None = None) -> list[Window]:
    """The newest windows of the model, newest first; or those up to the one with the number `until`."""
    query = select(windows).where(windows.c.model == model).order_by(windows.c.number.desc()).limit(limit)
    if until is not None:
        query = query.where(windows.c.number <= until)
    return state.all(Window, query)


def save_measurement(
    state: State,
    window_id: str,
    *,
    drifts: Sequence[Drift],
    qualities: Sequence[Quality],
    labelled_rows: int,
    report_url: str,
    mlflow_run: str | None,
    at: datetime,
) -> None:
    """Stores what was measured in a window, in one transaction; a second call replaces the first. The tries begin anew: of deciding."""
    with state.begin() as connection:
        lock(connection, f"window {window_id}")
        for table in (drift, quality):
            connection.execute(table.delete().where(table.c.window == window_id))
        if drifts:
            connection.execute(drift.insert(), [{"window": window_id, **asdict(row)} for row in drifts])
        if qualities:
            connection.execute(quality.insert(), [{"window": window_id, **asdict(row)} for row in qualities])
        connection.execute(
            update(windows)
            .where(windows.c.id == window_id)
            .values(labelled_rows=labelled_rows, report_url=report_url, mlflow_run=mlflow_run, measured_at=at, attempts=0)
        )


def measurement(state: State, window_id: str) -> tuple[list[Drift], list[Quality]]:
    """What was measured in a window, by column and metric name."""
    with state.begin() as connection:
        drifts = connection.execute(select(drift).where(drift.c.window == window_id).order_by(drift.c.column))
        found = [record(Drift, row) for row in drifts]
        qualities = connection.execute(select(quality).where(quality.c.window == window_id).order_by(quality.c.metric))
        return found, [record(Quality, row) for row in qualities]


def judged(state: State, model: str, *, champion: int, metric: str, after: datetime, until: int) -> list[tuple[int, Quality]]:
    """The metric in each measured window of a champion, with the window's number, oldest first: taken after a moment, up to `until`."""
    query = (
        select(windows.c.number, quality)
        .join(quality, quality.c.window == windows.c.id)
        .where(windows.c.model == model, windows.c.champion == champion, quality.c.metric == metric)
        .where(windows.c.as_of > after, windows.c.number <= until)
        .order_by(windows.c.number)
    )
    with state.begin() as connection:
        return [(row.number, record(Quality, row)) for row in connection.execute(query)]


def windows_since(state: State, model: str, *, after: datetime, until: int) -> int:
    """How many windows were taken after a moment, up to the one with the number `until`."""
    query = select(func.count()).where(windows.c.model == model, windows.c.as_of > after, windows.c.number <= until)
    with state.begin() as connection:
        return int(connection.execute(query).scalar_one())


def asked_since(state: State, model: str, *, after: datetime, by: datetime) -> list[datetime]:
    """When the trainings were started that decisions asked for and that had not failed, in (`after`, `by`]; the newest first."""
    stood = or_(trainings.c.state != "failed", trainings.c.finished_at > by)
    started = trainings.c.started_at
    asked = (trainings.c.model == model, trainings.c.decision.is_not(None), stood, started > after, started <= by)
    query = select(started).where(*asked).order_by(started.desc())
    with state.begin() as connection:
        return [row.started_at for row in connection.execute(query)]


def decide(state: State, decision: Decision) -> Decision:
    """Writes the decision, or returns the one that was made before for the same model, window and policy version.

    A window that was given up is not judged, and one that was judged is not given up: who comes second gets the first decision.
    """
    with state.begin() as connection:
        return decide_within(connection, decision)


def decide_within(connection: Connection, decision: Decision) -> Decision:
    """`decide` as a part of a transaction."""
    if decision.window is not None:
        lock(connection, f"decisions of {decision.model}")
        same = and_(decisions.c.model == decision.model, decisions.c.window == decision.window)
        if decision.policy != GIVEN_UP:
            same = and_(same, decisions.c.policy.in_([decision.policy, GIVEN_UP]))
        made = connection.execute(select(decisions).where(same).order_by(decisions.c.decided_at, decisions.c.id)).first()
        if made is not None:
            return record(Decision, made)
    insert_once(connection, decisions, asdict(decision))
    return record(Decision, connection.execute(select(decisions).where(decisions.c.id == decision.id)).one())


def claim(state: State, model: str, *, run: str, at: datetime, lease: timedelta = LEASE) -> Decision | None:
    """Takes every open decision of the model for this run and returns the newest; all others, suggestions too, become `superseded`.

    One transaction takes them, so two runs never hold the same decision. A run that was killed after its claim gets it back when it
    asks again, as the same try. Claims whose lease is over end first, as `reconcile` ends them. None means that nobody asks for a
    training.
    """
    tried = case((decisions.c.state == "open", decisions.c.tries + 1), else_=decisions.c.tries)
    with state.begin() as connection:
        lock(connection, f"decisions of {model}")
        _end_lapsed(connection, model, at=at, but=run)
        taken = connection.execute(
            update(decisions)
            .where(decisions.c.model == model, or_(decisions.c.state == "open", _held_by(run)))
            .values(state="claimed", claimed_by=run, lease_until=at + lease, tries=tried)
            .returning(*decisions.c)
        ).all()
        found = sorted((record(Decision, row) for row in taken), key=lambda one: (one.decided_at, one.id))
        if found:
            older = decisions.c.id.in_([one.id for one in found[:-1]])
            suggested = and_(decisions.c.model == model, decisions.c.state == "suggested")
            gone = {"state": "superseded", "claimed_by": None, "lease_until": None, "outcome": {"superseded_by": found[-1].id}}
            connection.execute(update(decisions).where(or_(older, suggested)).values(gone))
    return found[-1] if found else None


def hold(state: State, decision: str, *, run: str, at: datetime, lease: timedelta) -> Decision | None:
    """Holds a decision for the run that has begun with it, for another while; None where that may not work on it any more.

    A claim that has ended with its lease is taken up again as the same try, if nobody else has it: the run was only paused. What the
    run has finished itself stays its own.
    """
    mine = and_(decisions.c.id == decision, or_(decisions.c.state == "open", _held_by(run)))
    with state.begin() as connection:
        connection.execute(update(decisions).where(mine).values(state="claimed", claimed_by=run, lease_until=at + lease))
        row = connection.execute(select(decisions).where(decisions.c.id == decision, decisions.c.claimed_by == run)).first()
    return record(Decision, row) if row else None


def finish(state: State, *, run: str, outcome: dict[str, Any]) -> bool:
    """Closes what this run has claimed, and says whether there was anything. Idempotent."""
    closed = {"state": "done", "lease_until": None, "outcome": {**outcome, "run": run}}
    with state.begin() as connection:
        return connection.execute(update(decisions).where(_held_by(run)).values(closed).returning(decisions.c.id)).first() is not None


def give_back(state: State, *, run: str, at: datetime, error: str) -> None:
    """Opens again what this run has claimed: it failed, and another run shall try. After `MOST_TRIES` tries it has failed for good."""
    held = _held_by(run)
    with state.begin() as connection:
        for row in connection.execute(select(decisions).where(held)).all():
            _end_try(connection, record(Decision, row), at=at, error=error, still=held)


def reconcile(state: State, model: str, *, at: datetime) -> list[Decision]:
    """Ends the claims of runs that are dead: their lease is over. Returns those decisions as they are now, `open` or `failed`."""
    with state.begin() as connection:
        lock(connection, f"decisions of {model}")
        return _end_lapsed(connection, model, at=at)


def announced(state: State, ids: Sequence[str], *, at: datetime) -> None:
    """Notes that a training was woken for these decisions, once more."""
    told = {"announced_at": at, "announcements": decisions.c.announcements + 1}
    with state.begin() as connection:
        connection.execute(update(decisions).where(decisions.c.id.in_(ids)).values(told))


def open_decisions(state: State, model: str, *, at: datetime) -> list[Decision]:
    """Decisions that ask for a training and that nobody is working on, oldest first."""
    lapsed = and_(_is_lapsed(at), decisions.c.tries < MOST_TRIES)
    query = select(decisions).where(decisions.c.model == model, or_(decisions.c.state == "open", lapsed))
    return state.all(Decision, query.order_by(decisions.c.decided_at, decisions.c.id))


def standing_failures(state: State, model: str) -> list[Decision]:
    """The decisions that have failed and that no finished training came after, oldest first."""
    finished = select(func.max(trainings.c.as_of)).where(trainings.c.model == model, trainings.c.state.in_(["promoted", "challenger"]))
    with state.begin() as connection:
        last: datetime | None = connection.execute(finished).scalar_one()
        query = select(decisions).where(decisions.c.model == model, decisions.c.state == "failed")
        if last is not None:
            query = query.where(decisions.c.decided_at > last)
        return [record(Decision, row) for row in connection.execute(query.order_by(decisions.c.decided_at, decisions.c.id))]


def decision_for(state: State, window_id: str) -> Decision | None:
    """The decision about a window, the first one if policies of several versions made one; None before."""
    query = select(decisions).where(decisions.c.window == window_id).order_by(decisions.c.decided_at, decisions.c.id).limit(1)
    return state.first(Decision, query)


def find_decision(state: State, decision: str) -> Decision | None:
    """The decision with this id, or None."""
    return state.first(Decision, select(decisions).where(decisions.c.id == decision))


def recent_decisions(state: State, model: str, *, limit: int) -> list[Decision]:
    """The newest decisions of the model, newest first."""
    query = select(decisions).where(decisions.c.model == model).order_by(decisions.c.decided_at.desc(), decisions.c.id.desc()).limit(limit)
    return state.all(Decision, query)


def _next_number(connection: Connection, model: str) -> int:
    highest = connection.execute(select(func.max(windows.c.number)).where(windows.c.model == model)).scalar()
    return (highest or 0) + 1


def _end_lapsed(connection: Connection, model: str, *, at: datetime, but: str = "") -> list[Decision]:
    """Ends each claim whose lease is over, except that of the run `but`.

    A run that was killed after its version had become champion has finished its decision, though it could not say so.
    """
    lapsed = and_(decisions.c.model == model, decisions.c.claimed_by != but, _is_lapsed(at))
    ended = []
    for row in connection.execute(select(decisions).where(lapsed).order_by(decisions.c.decided_at, decisions.c.id)).all():
        crowned = select(promotions).where(promotions.c.model == model, promotions.c.key == row.claimed_by)
        if (change := connection.execute(crowned).first()) is not None:
            outcome = {"version": change.version, "promoted": True, "verdict": change.reason, "run": row.claimed_by}
            done = update(decisions).where(decisions.c.id == row.id, lapsed)
            connection.execute(done.values(state="done", lease_until=None, outcome=outcome))
            continue
        error = f"run {row.claimed_by} neither finished nor failed: its claim ended at {moment(row.lease_until)}"
        found = _end_try(connection, record(Decision, row), at=at, error=error, still=lapsed)
        ended += [found] if found is not None else []
    return ended


def _end_try(connection: Connection, held: Decision, *, at: datetime, error: str, still: ColumnElement[bool]) -> Decision | None:
    """Writes down how a try failed, if the decision is `still` as it was read; it is open again, or has failed for good."""
    failure = {"run": held.claimed_by, "at": at.isoformat(), "error": error[:_LONGEST_ERROR]}
    values: dict[str, Any] = {"state": "open", "claimed_by": None, "lease_until": None, "failures": [*held.failures, failure]}
    if held.tries >= MOST_TRIES:
        values |= {"state": "failed", "outcome": {**failure, "tries": held.tries, "cure": _CURE.format(model=held.model)}}
    changed = update(decisions).where(decisions.c.id == held.id, still).values(values).returning(*decisions.c)
    row = connection.execute(changed).first()
    return record(Decision, row) if row else None


def _is_lapsed(at: datetime) -> ColumnElement[bool]:
    return and_(decisions.c.state == "claimed", decisions.c.lease_until < at)


def _held_by(run: str) -> ColumnElement[bool]:
    return and_(decisions.c.state == "claimed", decisions.c.claimed_by == run)
