"""How a training ends: its version becomes champion or stays challenger, and the ledger is told."""

from datetime import UTC, datetime, timedelta

from ml.spec import ModelSpec
from ml.state import State, approvals, ledger, trainings
from ml.state.records import Approval, Promotion, Training
from ml.training.results import GateVerdict


def end(state: State, spec: ModelSpec, training: Training, verdict: GateVerdict, approved_by: str | None) -> Training:
    """Writes who is champion, then closes the ledger's claim and the run. Nothing here asks MLflow: its aliases follow."""
    evidence = verdict.model_dump(mode="json")
    promoted, sentence = _promotion(state, spec, training, verdict, approved_by)
    ledger.finish(state, run=training.key, outcome={"version": training.version, "promoted": promoted, "verdict": sentence})
    closed = {"finished_at": datetime.now(UTC), "verdict": {**evidence, "outcome": sentence}}
    return trainings.change(state, training.key, state="promoted" if promoted else "challenger", **closed)


def needs_approval(spec: ModelSpec, verdict: GateVerdict) -> bool:
    """Whether a person must say yes before the version becomes champion."""
    return verdict.wins and spec.promotion.approval == "manual"


def crowned(state: State, training: Training) -> Promotion | None:
    """The change that first made the run's version champion, by this run or by a person; None where there was none."""
    changes = trainings.promotion_history(state, training.model)
    return next((one for one in changes if one.version == training.version), None)


def _promotion(state: State, spec: ModelSpec, training: Training, verdict: GateVerdict, approved_by: str | None) -> tuple[bool, str]:
    """Makes a winner champion unless it waits for approval or lost its rival; whether the version became champion, and the last word."""
    asked = approvals.find(state, training.key)
    if approved_by is None and asked is not None and asked.approved:
        approved_by = asked.by
    may = verdict.wins and (not needs_approval(spec, verdict) or approved_by is not None)
    if may and crowned(state, training) is None:
        _crown(state, training, verdict, by=approved_by or "gate")
    change = crowned(state, training)
    if change is not None and change.key == training.key:
        return True, verdict.sentence if approved_by is None else f"{verdict.sentence} Approved by {approved_by}."
    if change is not None:
        return True, f"{verdict.sentence} Version {training.version} was made champion by {change.by}."
    if not verdict.wins:
        return False, verdict.sentence
    now = trainings.champion(state, training.model)
    serving = now.version if now is not None else None
    if may or serving != verdict.champion_version:
        return False, f"{verdict.sentence} Not promoted: version {serving} became champion meanwhile; train again to meet it."
    return False, f"{verdict.sentence} {_unapproved(training, asked)}"


def _unapproved(training: Training, asked: Approval | None) -> str:
    """Why a winner that nobody approved is not champion, and how it may still become it."""
    command = f"`perennial promote {training.model} {training.version}`"
    if asked is None or asked.answered_at is None:
        return f"It waits for approval: {command}."
    if asked.by is None:
        return f"Not promoted: nobody answered within {_shown(asked.until - asked.asked_at)}. {command} still may."
    return f"Not promoted: rejected by {asked.by}. {command} still may."


def _shown(time: timedelta) -> str:
    """A duration as a person would say it.

    >>> _shown(timedelta(days=2)), _shown(timedelta(hours=12)), _shown(timedelta(minutes=90)), _shown(timedelta(seconds=20))
    ('2 days', '12 hours', '90 minutes', '20 seconds')
    """
    seconds = round(time.total_seconds())
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {name}{'' if seconds == size else 's'}"
    return f"{seconds} seconds"


def _crown(state: State, training: Training, verdict: GateVerdict, *, by: str) -> None:
    """Makes the version champion, if the champion still is the one that it has beaten."""
    assert training.version is not None, "a training without a version is not closed"
    trainings.crown(
        state,
        model=training.model,
        version=training.version,
        kind="promote",
        at=datetime.now(UTC),
        by=by,
        reason=training.reason,
        key=training.key,
        evidence=verdict.model_dump(mode="json"),
        expected=verdict.champion_version,
    )
