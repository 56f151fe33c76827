"""The inputs of a training run, written down once: declaration, dataset version, decision, reason."""

from datetime import UTC, datetime
from typing import Literal

from ml import specfile
from ml.data.table import AcceptedTable
from ml.errors import NoData
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings
from ml.state.records import Decision, Training
from ml.training.results import verdict_of

Trigger = Literal["asset", "schedule", "manual"]
_LONGEST_REASON = 2000
_DECIDING = 2  # the deciding reasons of a decision come first; the ledger has all


def begin(settings: Settings, state: State, model: str, *, run: str, trigger: Trigger, reason: str | None) -> Training | None:
    """Begins the run as the declaration, the table and the ledger say now; None if nothing is to do."""
    spec = specfile.load(settings, model)
    table = AcceptedTable.of(settings, model, spec)
    labels = table.labels.version()  # before the moment of freezing: what is in this version has arrived by then
    now = datetime.now(UTC)
    version = table.version()
    if version is None:
        if trigger != "manual":
            return None
        raise NoData(f"{model}: no accepted rows yet. `perennial ingest {model}` takes deliveries in.")
    decision = ledger.claim(state, model, run=run, at=now)
    if decision is None and (trigger == "asset" or (trigger == "schedule" and not _is_new(state, spec, version, labels))):
        return None
    return trainings.begin(
        state,
        Training(
            key=run,
            model=model,
            spec_hash=specs.remember(state, spec, at=now),
            dataset_version=version,
            labels_version=labels,
            as_of=now,
            reason=_reason(state, model, trigger, reason, decision)[:_LONGEST_REASON],
            decision=decision.id if decision else None,
            state="running",
            started_at=now,
        ),
    )


def resume(state: State, training: Training, trigger: Trigger) -> Training | None:
    """A failed run that is started again: its decisions were given back, so it claims what is open now.

    None means that nothing is to do any more: another run has finished the decision, or trained with what a schedule found new.
    """
    decision = ledger.claim(state, training.model, run=training.key, at=datetime.now(UTC))
    if decision is None and (trigger == "asset" or (trigger == "schedule" and not _is_still_new(state, training))):
        return None
    verdict = training.verdict if verdict_of(training) is not None else None
    asked_by = decision.id if decision else None
    return trainings.change(state, training.key, state="running", finished_at=None, verdict=verdict, decision=asked_by)


def _is_still_new(state: State, training: Training) -> bool:
    """Whether a schedule, not a decision, began the run, and no later run has trained since."""
    if training.decision is not None or any(one.started_at > training.started_at for one in _done(state, training.model)):
        return False
    return _is_new(state, specs.recall(state, training.spec_hash), training.dataset_version, training.labels_version)


def _is_new(state: State, spec: ModelSpec, version: int, labels_version: int | None) -> bool:
    """Whether rows, late labels or what is declared of learning have changed since the last training that was finished."""
    done = _done(state, spec.model)
    if not done or done[0].dataset_version < version or specs.recall(state, done[0].spec_hash).learning() != spec.learning():
        return True
    return labels_version is not None and (done[0].labels_version is None or done[0].labels_version < labels_version)


def _done(state: State, model: str) -> list[Training]:
    return [one for one in trainings.recent(state, model, limit=20) if one.state in {"promoted", "challenger"}]


def _reason(state: State, model: str, trigger: Trigger, reason: str | None, decision: Decision | None) -> str:
    if reason:
        return reason
    if decision is not None:
        return f"asked by {decision.id}: {'; '.join(decision.reasons[:_DECIDING])}"
    if trainings.champion(state, model) is None:
        return "first training"
    return "scheduled" if trigger == "schedule" else "asked for by hand"
