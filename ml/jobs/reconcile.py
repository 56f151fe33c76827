"""Looking after what stands in the ledger: nothing that was asked for is forgotten, and nothing is tried for ever.

Each monitor run does this. Events only wake: one that was lost, doubled, or came while a DAG was paused, changes nothing here.
"""

import logging
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from ml.settings import Settings
from ml.state import State, ledger, suggestions, trainings
from ml.state.records import Decision

log = logging.getLogger(__name__)


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class OpenRequest(_Result):
    """A decision that asks for a training and that nobody is working on. `announcements`: how often a training was woken for it."""

    id: str
    window: str | None
    reasons: list[str]
    report: str | None
    decided_at: datetime
    tries: int
    announced_at: datetime | None
    announcements: int


class Suggestion(_Result):
    """A decision that waits for a person's word until `until`; without one the answer is no."""

    id: str
    window: str | None
    reasons: list[str]
    report: str | None
    decided_at: datetime
    until: datetime | None


class Failure(_Result):
    """A decision that was tried as often as may be: who tried last, when and how that ended, and what to do."""

    id: str
    tries: int
    run: str | None
    at: str | None
    error: str | None
    cure: str | None


class Reconciled(_Result):
    """How the ledger stands: what is `open` and what was `suggested`, and what this look has changed.

    `reopened`: claims of runs that are dead; `expired`: suggestions that nobody answered or that have become pointless. `failed` stands at
    each look until a training has finished: decisions that were tried as often as may be.
    """

    open: list[OpenRequest]
    suggested: list[Suggestion]
    reopened: list[str]
    failed: list[Failure]
    expired: list[str]


def reconcile(settings: Settings, model: str, *, announce: bool = False) -> Reconciled:
    """Returns the claims of dead workers, ends suggestions whose time is over, and says what is open. Idempotent.

    Args:
        settings: Where the state database is.
        model: Whose ledger.
        announce: The caller is about to wake a training for what is open: that is noted.
    """
    state, at = State.open(settings), datetime.now(UTC)
    ended = ledger.reconcile(state, model, at=at)
    gone = [one.id for one in suggestions.expire(state, model, at=at)] + _pointless(state, model, at)
    found = requests(state, model, at=at)
    if announce and found:
        ledger.announced(state, [one.id for one in found], at=at)
    for one in ended:
        log.warning("claim ended decision=%s state=%s tries=%d", one.id, one.state, one.tries)
    return Reconciled(
        open=found,
        suggested=suggested(state, model, at=at),
        reopened=[one.id for one in ended if one.state == "open"],
        failed=[failure(one) for one in ledger.standing_failures(state, model)],
        expired=gone,
    )


def now(settings: Settings, model: str, looked: Reconciled) -> Reconciled:
    """What an earlier look has changed, with what is open and suggested now."""
    state, at = State.open(settings), datetime.now(UTC)
    fresh = {"open": requests(state, model, at=at), "suggested": suggested(state, model, at=at)}
    return looked.model_copy(update=fresh)


def requests(state: State, model: str, *, at: datetime) -> list[OpenRequest]:
    """Decisions that ask for a training and that nobody is working on, oldest first."""
    return [
        OpenRequest(
            id=one.id,
            window=one.window,
            reasons=one.reasons,
            report=one.report_url,
            decided_at=one.decided_at,
            tries=one.tries,
            announced_at=one.announced_at,
            announcements=one.announcements,
        )
        for one in ledger.open_decisions(state, model, at=at)
    ]


def open_requests(settings: Settings, model: str) -> list[OpenRequest]:
    """Decisions that ask for a training now and that nobody is working on, oldest first."""
    return requests(State.open(settings), model, at=datetime.now(UTC))


def waiting(settings: Settings, model: str) -> list[Suggestion]:
    """Decisions that wait for a person's word now, oldest first; `announce`, which runs beside, ends those that have become pointless."""
    return suggested(State.open(settings), model, at=datetime.now(UTC))


def suggested(state: State, model: str, *, at: datetime) -> list[Suggestion]:
    """Decisions that wait for a person's word, oldest first."""
    return [
        Suggestion(id=one.id, window=one.window, reasons=one.reasons, report=one.report_url, decided_at=one.decided_at, until=one.until)
        for one in suggestions.waiting(state, model, at=at)
    ]


def failure(one: Decision) -> Failure:
    """Why a decision has failed."""
    told = one.outcome or {}
    return Failure(id=one.id, tries=one.tries, run=told.get("run"), at=told.get("at"), error=told.get("error"), cure=told.get("cure"))


def _pointless(state: State, model: str, at: datetime) -> list[str]:
    """Ends suggestions about a champion that serves no longer."""
    crowned = trainings.champion(state, model)
    gone = []
    for one in suggestions.waiting(state, model, at=at):
        window = ledger.find_window(state, one.window) if one.window is not None else None
        if crowned is not None and window is not None and window.champion != crowned.version:
            suggestions.supersede(state, one.id, reason=f"version {crowned.version} has become champion")
            gone.append(one.id)
    return gone
