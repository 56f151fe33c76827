"""One training: freeze the inputs, tune each candidate, combine, gate, register, promote. Each step may be killed and run again.

What a step leaves for the next one is in the state database (the row of the training) and in MLflow. The declaration is read from its
file once, by `freeze`; later steps take it by its hash.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from ml.errors import CandidateError, ModelOwnerError, StoreUnavailable
from ml.jobs.steps import stored, taken_up
from ml.jobs.tune import combine, tune
from ml.settings import Settings
from ml.state import State, ledger, specs, trainings
from ml.state.records import Training
from ml.training.results import CandidateResult, FrozenRun, GateVerdict, TrainResult, needed_verdict, verdict_of

if TYPE_CHECKING:
    from ml.training.freezing import Trigger

__all__ = [
    "CandidateResult",
    "Ending",
    "FrozenRun",
    "GateVerdict",
    "TrainResult",
    "abandon",
    "combine",
    "freeze",
    "gate",
    "promote",
    "register",
    "train",
    "tune",
]

log = logging.getLogger(__name__)

Ending = Literal["finished", "promoted", "failed", "none"]
_LONGEST_ERROR = 2000


def freeze(settings: Settings, model: str, *, run: str, trigger: "Trigger", reason: str | None = None) -> FrozenRun | None:
    """Stores the declaration, freezes the dataset version, claims the open decisions and begins the training.

    Called again with the same `run` it returns the same inputs, also when the file or the table changed meanwhile, and also after
    `abandon`. None means that there is nothing to do: an asset event without an open decision, or a schedule with neither new rows
    or labels, nor a changed declaration, nor a decision; also where that is so when a failed run is started again.

    Raises:
        SpecError, UnknownModel: The declaration is wrong or missing.
        NoData: There are no accepted rows, and a person asked.
    """
    from ml.jobs import champion
    from ml.training import freezing, lineage

    state = State.open(settings)
    training = trainings.find(state, run)
    if training is None:
        training = freezing.begin(settings, state, model, run=run, trigger=trigger, reason=reason)
    elif training.state == "failed":
        training = freezing.resume(state, training, trigger)
    if training is None:
        return None
    spec = specs.recall(state, training.spec_hash)
    if training.mlflow_run is None:
        training = trainings.change(state, run, mlflow_run=lineage.open_run(settings, spec, training))
    champion.heal_aliases(settings, model)
    return FrozenRun(
        run=run,
        model=model,
        spec_hash=training.spec_hash,
        dataset_version=training.dataset_version,
        reason=training.reason,
        decision=training.decision,
        candidates=[candidate.name for candidate in spec.training.candidates],
        ensembles=[ensemble.name for ensemble in spec.training.ensembles],
    )


def gate(settings: Settings, *, run: str, on_progress: Callable[[str], None] = lambda _: None) -> GateVerdict:
    """Fits the best candidate or ensemble, judges it on the test rows, and saves it fitted on all; the first verdict stays.

    One that cannot be fitted or saved, or takes longer than `training.timeout`, is left out: `on_progress` and the verdict's last reasons
    say so, and the next best one is taken.

    Raises:
        CandidateError: No candidate was tuned, or all were left out; each is named with its reason.
    """
    from ml.jobs import contenders
    from ml.registry import models, runs
    from ml.training import lineage

    state = State.open(settings)
    training, spec = taken_up(state, run)
    if verdict_of(training) is None:
        mine = contenders.meet(settings, state, spec, training, on_progress)
        # Another attempt may have been faster: one that was given up as lost, but lives.
        training = trainings.settle(state, run, mine.model_dump(mode="json"))
        log.info("gate model=%s run=%s candidate=%s wins=%s rows=%d", training.model, run, mine.candidate, mine.wins, mine.rows)
    verdict = needed_verdict(training)
    # MLflow is told what was settled, not what was tried: it does not let a parameter change.
    entry = lineage.gate_log(spec, verdict)
    runs.add_to_training(settings, training.model, mlflow_run=verdict.mlflow_run, log=entry)
    models.keep(settings, training.model, mlflow_run=verdict.mlflow_run, logged_model=verdict.logged_model)
    return verdict


def register(settings: Settings, *, run: str) -> int:
    """The version in the MLflow registry that this run made, with the alias `challenger`: one version a run."""
    from ml.registry import models, runs
    from ml.training import cards, lineage

    state = State.open(settings)
    training, spec = taken_up(state, run)
    if training.version is not None:
        return training.version
    verdict = needed_verdict(training)
    facts = {**lineage.facts(settings, spec, training), "perennial.candidate": verdict.candidate, "perennial.verdict": verdict.sentence}
    version = models.register(
        settings,
        training.model,
        key=runs.key_of(run),
        logged_model=verdict.logged_model,
        sha256=verdict.model_sha256,
        mlflow_run=verdict.mlflow_run,
        tags=facts,
        text=f"{training.reason}\n\n{verdict.sentence}",
    )
    models.set_alias(settings, training.model, "challenger", version)
    trainings.change(state, run, version=version)
    tried = stored(settings, training, verdict.candidate)
    cards.keep(settings, spec, training, verdict, version=version, trials=tried.trials if tried is not None else 0)
    log.info("version registered model=%s run=%s version=%d", training.model, run, version)
    return version


def promote(settings: Settings, *, run: str, approved_by: str | None = None) -> TrainResult:
    """Makes the registered version champion if it won and needs no approval (or has it), and closes the training either way.

    A winner also stays challenger if another version became champion since the gate: its verdict is about the former one. What a person
    answered (`ml.jobs.approval`) counts by itself.

    Args:
        settings: Where the stores are.
        run: The training run.
        approved_by: Who approves it now, for `promotion.approval: manual`.
    """
    from ml.jobs import champion
    from ml.registry import runs
    from ml.training import closing, lineage

    state = State.open(settings)
    training, spec = taken_up(state, run)
    verdict = needed_verdict(training)
    if training.version is None:
        raise ModelOwnerError(f"training run {run!r} has registered no version yet; run its task `register` first")
    if training.state == "running" or (training.state == "challenger" and approved_by is not None):
        training = closing.end(state, spec, training, verdict, approved_by)
    result = _result(state, training, verdict)
    champion.heal_aliases(settings, training.model)
    runs.add_to_training(settings, training.model, mlflow_run=verdict.mlflow_run, log=lineage.closing_log(training, result.verdict))
    runs.end_training(settings, training.model, mlflow_run=verdict.mlflow_run, failed=False)
    log.info("training done model=%s run=%s version=%d promoted=%s", training.model, run, training.version, result.promoted)
    return result


def abandon(settings: Settings, *, run: str, error: str) -> Ending:
    """Closes a run that goes no further, and says what that meant.

    `finished`: it had ended before and stays as it is; what MLflow was not told then, it is told now. `promoted`: it was killed after
    its version became champion, and is closed as that. `failed`: it is marked so, and its decisions are open again for another run,
    or have failed with it (`ledger.MOST_TRIES`). `none`: it had not begun; what it may have claimed is open again.
    """
    from ml.training import closing

    state = State.open(settings)
    training = trainings.find(state, run)
    if training is not None and training.state in {"promoted", "challenger"}:
        _tell(settings, training, again=False)
        return "finished"
    if training is not None and training.state == "running" and closing.crowned(state, training) is not None:
        _tell(settings, training)
        return "promoted"
    ledger.give_back(state, run=run, at=datetime.now(UTC), error=error)
    if training is None:
        return "none"
    if training.state != "failed":
        trainings.settle(state, run, {"error": error[:_LONGEST_ERROR]})
        trainings.change(state, run, state="failed", finished_at=datetime.now(UTC))
        log.warning("training abandoned model=%s run=%s", training.model, run)
        if training.mlflow_run is not None:
            _mark_failed(settings, training)
    return "failed"


def train(
    settings: Settings,
    model: str,
    *,
    reason: str | None = None,
    run: str | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> TrainResult:
    """Plays all steps in this process. A candidate that fails is left out as long as another one remains."""
    from ml.training import dataset, remarks

    say = on_progress or (lambda _: None)
    run = run or f"{model}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    try:
        frozen = freeze(settings, model, run=run, trigger="manual", reason=reason)
        assert frozen is not None, "a manual training always has something to do"
        say(f"training on dataset version {frozen.dataset_version}: {frozen.reason}")
        training, spec = taken_up(State.open(settings), run)
        for remark in remarks.remarks(spec, dataset.of_training(settings, spec, training)):
            say(remark)
        _tune_all(settings, frozen, say)
        say("testing the best of them on rows that none has seen")
        gate(settings, run=run, on_progress=say)
        say(f"registered version {register(settings, run=run)}")
        return promote(settings, run=run)
    except BaseException as error:
        abandon(settings, run=run, error=f"{type(error).__name__}: {error}")
        raise
    finally:
        dataset.forget()


def _tune_all(settings: Settings, frozen: FrozenRun, say: Callable[[str], None]) -> None:
    failures = [error for name in frozen.candidates if (error := _tried(settings, frozen, name, say)) is not None]
    if len(failures) == len(frozen.candidates):
        raise CandidateError("\n".join(str(error) for error in failures)) from failures[0]
    for name in frozen.ensembles:
        _tried(settings, frozen, name, say)


def _tried(settings: Settings, frozen: FrozenRun, name: str, say: Callable[[str], None]) -> CandidateError | None:
    """Tunes a candidate or combines an ensemble; why it is left out, or None."""
    try:
        if name in frozen.ensembles:
            found = combine(settings, run=frozen.run, ensemble=name, on_progress=say)
        else:
            found = tune(settings, run=frozen.run, candidate=name, on_progress=say)
    except CandidateError as error:
        log.warning("candidate failed model=%s run=%s candidate=%s", frozen.model, frozen.run, name)
        say(f"left out: {error}")
        return error
    trials = "1 trial" if found.trials == 1 else f"{found.trials} trials"
    say(f"{name}: {found.metric} {found.value:.4f} on validation rows ({trials}, {found.seconds:.1f} s)")
    return None


def _tell(settings: Settings, training: Training, *, again: bool = True) -> None:
    """Closes a training whose champion stands, and tells MLflow; not `again` where its run is closed there."""
    from ml.registry import runs

    try:
        if again or training.mlflow_run is None or runs.is_open(settings, training.model, mlflow_run=training.mlflow_run):
            promote(settings, run=training.key)
    except StoreUnavailable:  # the state database is closed by then; MLflow's aliases are healed by the next run
        log.warning("mlflow not told of the new champion model=%s run=%s", training.model, training.key)


def _result(state: State, training: Training, verdict: GateVerdict) -> TrainResult:
    now = trainings.champion(state, training.model)
    return TrainResult(
        model=training.model,
        version=training.version,
        candidate=verdict.candidate,
        promoted=training.state == "promoted",
        champion=now.version if now is not None else None,
        metrics=verdict.metrics,
        dataset_version=training.dataset_version,
        reason=training.reason,
        verdict=str((training.verdict or {}).get("outcome", verdict.sentence)),
        warnings=[*verdict.warnings, *(check.text for check in verdict.left_out)],
        run=training.key,
    )


def _mark_failed(settings: Settings, training: Training) -> None:
    from ml.registry import runs

    try:
        runs.end_training(settings, training.model, mlflow_run=str(training.mlflow_run), failed=True)
    except StoreUnavailable:  # the training may have failed because of it
        log.warning("mlflow run not marked as failed model=%s run=%s", training.model, training.key)
