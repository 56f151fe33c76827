"""Asking a person whether a training that the policy suggests shall start (`retraining.mode: suggest`).

The one who asks (a task of Airflow) may be killed at any point; question, time limit and answer stand in the ledger. The first answer
counts, wherever it was given.
"""

import logging
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import CallError
from ml.jobs.approval import Question, plain
from ml.settings import Settings
from ml.state import State, ledger, suggestions
from ml.state.records import Decision, Window
from ml.wording import counted, moment

log = logging.getLogger(__name__)


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class Asking(_Result):
    """A `question` to ask, about a decision; or (`reason`) why nobody need be asked."""

    decision: str | None = None
    question: Question | None = None
    reason: str | None = None


class Confirmed(_Result):
    """How the suggestion stands after an answer: `open` (yes), `declined`, `expired`, or what it had become before."""

    model: str
    decision: str
    state: str
    approved: bool
    by: str | None


def ask(settings: Settings, model: str, *, run: str) -> Asking:
    """What to ask about the newest suggestion; older ones are superseded by it. The question stands as long as the suggestion does."""
    state, at = State.open(settings), datetime.now(UTC)
    found = suggestions.ask(state, model, run=run, at=at)
    if found is None or found.until is None:
        return Asking(reason="no suggestion waits for an answer")
    window = ledger.find_window(state, found.window) if found.window is not None else None
    log.info("confirmation asked decision=%s until=%s", found.id, found.until)
    return Asking(
        decision=found.id,
        question=Question(subject=f"Shall {model} be trained again?", body=_body(found, window), timeout=found.until - at),
    )


def answer(settings: Settings, *, run: str, approved: bool, by: str | None) -> Confirmed | None:
    """Writes down what was answered to the question of this run; None where it stands no longer. `by` is None where nobody answered."""
    state = State.open(settings)
    asked = suggestions.asked_by(state, run)
    return None if asked is None else _answered(state, asked, approved=approved, by=by)


def confirm(settings: Settings, model: str, *, approved: bool, by: str) -> Confirmed:
    """A person's answer to the newest suggestion, by hand. A "yes" opens it: the next monitor run, or `perennial train`, takes it up.

    Raises:
        CallError: No suggestion waits for an answer.
    """
    specfile.spec_path(settings, model)
    state, at = State.open(settings), datetime.now(UTC)
    waiting = suggestions.waiting(state, model, at=at)
    if not waiting:
        raise CallError(f"{model}: no suggestion waits for an answer; `perennial status {model}` shows what is open")
    for older in waiting[:-1]:
        suggestions.supersede(state, older.id, reason=f"superseded by {waiting[-1].id}")
    return _answered(state, waiting[-1], approved=approved, by=by)


def _answered(state: State, asked: Decision, *, approved: bool, by: str | None) -> Confirmed:
    now = suggestions.answer(state, asked.id, approved=approved, by=by, at=datetime.now(UTC))
    log.info("confirmation answered decision=%s state=%s by=%s", now.id, now.state, by)
    said = now.answer or {}
    return Confirmed(model=now.model, decision=now.id, state=now.state, approved=bool(said.get("approved")), by=said.get("by"))


def _body(found: Decision, window: Window | None) -> str:
    """The reasons as Markdown; without an answer nothing happens."""
    listed = "\n".join(f"- {plain(reason)}" for reason in found.reasons)
    rows = "" if window is None else f"Window {window.number}, {counted(window.rows, 'row')}, version {window.champion}.\n\n"
    hand = f"`perennial confirm {found.model}`, or with `--no`"
    return f"{rows}{listed}\n\nWithout an answer by {moment(found.until)} it is no. By hand: {hand}.\n"
