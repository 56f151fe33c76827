"""One training: freeze the inputs, tune each candidate, gate, register, promote. Each step may be killed and run again.

What a step leaves for the next one is in the state database (the row of the training) and in MLflow. The declaration is read from its
file once, by `freeze`; later steps take it by its hash.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ml.errors import CandidateError, ModelOwnerError, StoreUnavailable
from ml.settings import Settings
from ml.spec import LOWER_IS_BETTER, ModelSpec
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
_MARGIN = timedelta(hours=2)
"""A claim holds longer than a step may take, so that it still holds when the next step waits for a free worker."""


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
    )


def tune(settings: Settings, *, run: str, candidate: str, on_progress: Callable[[str], None] = lambda _: None) -> CandidateResult:
    """Finds the parameters of one candidate and stores the result in MLflow; a finished candidate is not tuned again.

    `on_progress` is told of each finished trial.

    Raises:
        CandidateError: The candidate cannot be used, or failed.
        NoData, ModelOwnerError: The rows do not fit the declaration.
    """
    from ml.registry import runs
    from ml.training import dataset, lineage, tuning

    training, spec = _taken_up(State.open(settings), run)
    if (found := _tuned(settings, training, candidate)) is not None:
        return found
    rows = dataset.of_training(settings, spec, training)
    tuned = tuning.tune(spec, spec.candidate(candidate), rows, on_progress=on_progress)
    result = CandidateResult(
        candidate=candidate,
        mlflow_run="",
        metric=spec.metric,
        value=tuned.best.value,
        params=tuned.best.params,
        trials=len(tuned.trials),
        seconds=round(sum(trial.seconds for trial in tuned.trials), 3),
    )
    mlflow_run = runs.save_candidate(
        settings,
        training.model,
        run=run,
        parent=str(training.mlflow_run),
        candidate=candidate,
        log=lineage.candidate_log(training, spec.candidate(candidate), tuned),
        result=result.model_dump_json(),
    )
    log.info("candidate tuned model=%s run=%s candidate=%s %s=%.5f", training.model, run, candidate, spec.metric, result.value)
    return result.model_copy(update={"mlflow_run": mlflow_run})


def gate(settings: Settings, *, run: str) -> GateVerdict:
    """Fits the best candidate on train and validation rows, saves it, and judges it on the test rows; the first verdict stays.

    Raises:
        CandidateError: No candidate was tuned, or the chosen one cannot be fitted or saved.
    """
    from ml.registry import models, runs
    from ml.training import contest, lineage

    state = State.open(settings)
    training, spec = _taken_up(state, run)
    if verdict_of(training) is None:
        mine = contest.hold(settings, state, spec, training, _chosen(settings, spec, training))
        # Another attempt may have been faster: one that was given up as lost, but lives.
        training = trainings.settle(state, run, mine.model_dump(mode="json"))
        log.info("gate model=%s run=%s candidate=%s wins=%s rows=%d", training.model, run, mine.candidate, mine.wins, mine.rows)
    verdict = needed_verdict(training)
    # MLflow is told what was settled, not what was tried: it does not let a parameter change.
    entry = lineage.gate_log(verdict, spec.candidate(verdict.candidate).class_)
    runs.add_to_training(settings, training.model, mlflow_run=verdict.mlflow_run, log=entry)
    models.keep(settings, training.model, mlflow_run=verdict.mlflow_run, logged_model=verdict.logged_model)
    return verdict


def register(settings: Settings, *, run: str) -> int:
    """The version in the MLflow registry that this run made, with the alias `challenger`: one version a run."""
    from ml.registry import models, runs
    from ml.training import lineage

    state = State.open(settings)
    training, spec = _taken_up(state, run)
    if training.version is not None:
        return training.version
    verdict = needed_verdict(training)
    facts = {**lineage.facts(settings, spec, training), "perennial.candidate": verdict.candidate, "perennial.verdict": verdict.sentence}
    version = models.register(
        settings,
        training.model,
        key=runs.key_of(run),
        saved=models.Saved(verdict.logged_model, verdict.model_sha256),
        mlflow_run=verdict.mlflow_run,
        tags=facts,
        text=f"{training.reason}\n\n{verdict.sentence}",
    )
    models.set_alias(settings, training.model, "challenger", version)
    trainings.change(state, run, version=version)
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
    training, spec = _taken_up(state, run)
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
    its version became champion, and is closed as that. `failed`: it is marked so, and its decisions are open again for another run.
    `none`: it had not begun; what it may have claimed is open again.
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
    ledger.give_back(state, run=run)
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
    from ml.training import dataset

    say = on_progress or (lambda _: None)
    run = run or f"{model}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    try:
        frozen = freeze(settings, model, run=run, trigger="manual", reason=reason)
        assert frozen is not None, "a manual training always has something to do"
        say(f"training on dataset version {frozen.dataset_version}: {frozen.reason}")
        _tune_all(settings, frozen, say)
        verdict = gate(settings, run=run)
        say(verdict.sentence)
        say(f"registered version {register(settings, run=run)}")
        return promote(settings, run=run)
    except BaseException as error:
        abandon(settings, run=run, error=f"{type(error).__name__}: {error}")
        raise
    finally:
        dataset.forget()


def _tune_all(settings: Settings, frozen: FrozenRun, say: Callable[[str], None]) -> None:
    failures: list[CandidateError] = []
    for name in frozen.candidates:
        try:
            tuned = tune(settings, run=frozen.run, candidate=name, on_progress=say)
        except CandidateError as error:
            failures.append(error)
            log.warning("candidate failed model=%s run=%s candidate=%s", frozen.model, frozen.run, name)
            say(f"left out: {error}")
        else:
            say(f"{name}: {tuned.metric} {tuned.value:.4f} on validation rows ({tuned.trials} trials, {tuned.seconds:.1f} s)")
    if len(failures) == len(frozen.candidates):
        raise CandidateError("\n".join(str(error) for error in failures)) from failures[0]


def _taken_up(state: State, run: str) -> tuple[Training, ModelSpec]:
    """The training and its declaration, for the step that begins: what it has claimed stays its own for as long as the step may take.

    One that had failed is running again: somebody starts it from this step.
    """
    from ml.training import freezing

    training = trainings.get(state, run)
    if training.state == "failed":
        training = freezing.resume(state, training, "manual") or training
    spec = specs.recall(state, training.spec_hash)
    ledger.renew(state, run=run, at=datetime.now(UTC), lease=spec.training.timeout + _MARGIN)
    return training, spec


def _tuned(settings: Settings, training: Training, candidate: str) -> CandidateResult | None:
    from ml.registry import runs

    found = runs.candidate_result(settings, training.model, run=training.key, candidate=candidate)
    return None if found is None else CandidateResult.model_validate_json(found[1]).model_copy(update={"mlflow_run": found[0]})


def _chosen(settings: Settings, spec: ModelSpec, training: Training) -> CandidateResult:
    names = [candidate.name for candidate in spec.training.candidates]
    found = [one for name in names if (one := _tuned(settings, training, name)) is not None]
    if not found:
        raise CandidateError(f"{training.model}: no candidate of run {training.key!r} was tuned; its `tune` tasks tell why")
    sign = -1 if spec.metric in LOWER_IS_BETTER else 1
    return max(found, key=lambda one: sign * one.value)


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
        promoted=training.state == "promoted",
        champion=now.version if now is not None else None,
        metrics=verdict.challenger,
        dataset_version=training.dataset_version,
        reason=training.reason,
        verdict=str((training.verdict or {}).get("outcome", verdict.sentence)),
        run=training.key,
    )


def _mark_failed(settings: Settings, training: Training) -> None:
    from ml.registry import runs

    try:
        runs.end_training(settings, training.model, mlflow_run=str(training.mlflow_run), failed=True)
    except StoreUnavailable:  # the training may have failed because of it
        log.warning("mlflow run not marked as failed model=%s run=%s", training.model, training.key)
