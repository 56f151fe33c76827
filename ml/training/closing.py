"""How a training ends: its version becomes champion or stays challenger, and the ledger is told."""

from datetime import UTC, datetime

from ml.spec import ModelSpec
from ml.state import State, ledger, trainings
from ml.state.records import Promotion, Training
from ml.training.results import GateVerdict


def end(state: State, spec: ModelSpec, training: Training, verdict: GateVerdict, approved_by: str | None) -> Training:
    """Writes who is champion, then closes the ledger's claim and the run. Nothing here asks MLflow: its aliases follow."""
    evidence = verdict.model_dump(mode="json")
    promoted, sentence = _promotion(state, spec, training, verdict, approved_by)
    ledger.finish(state, run=training.key, outcome={"version": training.version, "promoted": promoted, "verdict": sentence})
    closed = {"finished_at": datetime.now(UTC), "verdict": {**evidence, "outcome": sentence}}
    return trainings.change(state, training.key, state="promoted" if promoted else "challenger", **closed)


def _promotion(state: State, spec: ModelSpec, training: Training, verdict: GateVerdict, approved_by: str | None) -> tuple[bool, str]:
    """Makes a winner champion unless it waits for approval or lost its rival; whether the version became champion, and the last word."""
    may = verdict.wins and (spec.promotion.approval == "auto" or approved_by is not None)
    if may and crowned(state, training) is None:
        _crown(state, training, verdict, by=approved_by or "gate")
    change = crowned(state, training)
    if change is not None and change.key == training.key:
        return True, verdict.sentence
    if change is not None:
        return True, f"{verdict.sentence} Version {training.version} was made champion by {change.by}."
    if not verdict.wins:
        return False, verdict.sentence
    now = trainings.champion(state, training.model)
    serving = now.version if now is not None else None
    if may or serving != verdict.champion_version:
        return False, f"{verdict.sentence} Not promoted: version {serving} became champion meanwhile; train again to meet it."
    return False, f"{verdict.sentence} It waits for approval: `perennial promote {training.model} {training.version}`."


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


def crowned(state: State, training: Training) -> Promotion | None:
    """The change that first made the run's version champion, by this run or by a person; None where there was none."""
    changes = trainings.promotion_history(state, training.model)
    return next((one for one in changes if one.version == training.version), None)
