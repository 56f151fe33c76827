"""What every step of a training begins with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ml.errors import ModelOwnerError
from ml.jobs.deadline import within
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.spec.types import duration_text
from ml.state import State, ledger, specs, trainings
from ml.state.records import Training
from ml.training.results import CandidateResult

T = TypeVar("T")
_MARGIN = timedelta(hours=2)
"""A claim holds longer than a step may take, so that it still holds when the next step waits for a free worker."""


def taken_up(state: State, run: str) -> tuple[Training, ModelSpec]:
    """The training and its declaration, for the step that begins: what it has claimed stays its own for as long as the step may take.

    One that had failed is running again: somebody starts it from this step.

    Raises:
        ModelOwnerError: Another run has taken over its decision, or nobody is to work on that any more. So a run that was taken for dead
            and lives makes no second champion.
    """
    from ml.training import freezing

    training = trainings.get(state, run)
    if training.state == "failed":
        training = freezing.resume(state, training, "manual") or training
    spec = specs.recall(state, training.spec_hash)
    hold_on(state, spec, training)
    return training, spec


def hold_on(state: State, spec: ModelSpec, training: Training) -> None:
    """Keeps what the training has claimed for as long as work on one candidate may take; `ModelOwnerError` as of `taken_up`."""
    if training.decision is None:
        return
    lease = spec.training.timeout + _MARGIN
    if ledger.hold(state, training.decision, run=training.key, at=datetime.now(UTC), lease=lease) is None:
        raise ModelOwnerError(_lost(state, training))


def _lost(state: State, training: Training) -> str:
    now = ledger.find_decision(state, str(training.decision))
    stands = "is gone" if now is None else f"is {now.state}" + (f" by {now.claimed_by}" if now.claimed_by else "")
    return f"training run {training.key!r} may not go on: {training.decision}, which asked for it, {stands} since its claim ended"


def stored(settings: Settings, training: Training, name: str) -> CandidateResult | None:
    """What a finished candidate or ensemble of the run reached; None if it has not finished."""
    from ml.registry import runs

    found = runs.candidate_result(settings, training.model, run=training.key, candidate=name)
    return None if found is None else CandidateResult.model_validate_json(found[1]).model_copy(update={"mlflow_run": found[0]})


def in_time(spec: ModelSpec, name: str, act: Callable[[], T]) -> T:
    """What `act` makes of a candidate or ensemble, for at most `training.timeout`; `CandidateError` if it takes longer."""
    limit = spec.training.timeout
    said = f"{name!r} was ended: it took longer than training.timeout ({duration_text(limit)}). Give it less to do, or more time."
    return within(limit, said, act)
