"""The candidates of a training: each is tuned by itself, ensembles are made of those that have finished."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ml.errors import CandidateError, StoreUnavailable
from ml.jobs.steps import in_time, stored, taken_up
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State
from ml.state.records import Training
from ml.training.results import CandidateResult, Trial

if TYPE_CHECKING:
    from ml.training.tuning import Tuned

log = logging.getLogger(__name__)


def tune(settings: Settings, *, run: str, candidate: str, on_progress: Callable[[str], None] = lambda _: None) -> CandidateResult:
    """Finds the parameters of one candidate and stores the result in MLflow; a finished candidate is not tuned again.

    Each trial is stored as it ends: a task that was killed goes on with the trial that it was at. The first trial takes the champion's
    parameters, if the champion was made by the same candidate. `on_progress` is told of each finished trial.

    Raises:
        CandidateError: The candidate cannot be used, all its trials failed, or it took longer than `training.timeout`.
        NoData, ModelOwnerError: The rows do not fit the declaration.
    """
    from ml.registry import runs
    from ml.training import dataset, lineage, tuning

    state = State.open(settings)
    training, spec = taken_up(state, run)
    if (found := stored(settings, training, candidate)) is not None:
        return found
    rows = dataset.of_training(settings, spec, training)
    with _candidate_run(settings, training, candidate) as mlflow_run:

        def keep(trial: Trial) -> None:
            log_of_it = lineage.trial_log(spec, trial)
            runs.save_trial(settings, training.model, run=run, parent=mlflow_run, candidate=candidate, trial=log_of_it)

        search = partial(
            tuning.tune,
            spec,
            candidate,
            rows,
            earlier=[Trial.model_validate_json(text) for text in runs.trials_of(settings, training.model, mlflow_run=mlflow_run)],
            first=_champions_params(state, spec, candidate),
            on_trial=keep,
            on_progress=on_progress,
        )
        tuned = in_time(spec, candidate, search)
        return _kept(settings, training, spec, candidate, tuned)


def combine(settings: Settings, *, run: str, ensemble: str, on_progress: Callable[[str], None] = lambda _: None) -> CandidateResult:
    """Measures an ensemble of the tuned candidates in the same folds as these and stores the result; a finished one is not made again.

    Members that were not tuned are left out, and `on_progress` is told so.

    Raises:
        CandidateError: Fewer than two of its members were tuned, it cannot be fitted, or took longer than `training.timeout`.
        NoData, ModelOwnerError: The rows do not fit the declaration.
    """
    from ml.training import dataset, tuning

    training, spec = taken_up(State.open(settings), run)
    declared = spec.ensemble(ensemble)
    if declared is None:
        raise CandidateError(f"{training.model}: no ensemble {ensemble!r} is declared")
    if (found := stored(settings, training, ensemble)) is not None:
        return found
    members = {name: one.params for name in declared.members if (one := stored(settings, training, name)) is not None}
    missing = ", ".join(sorted({*declared.members} - {*members}))
    if len(members) < 2:
        raise CandidateError(
            f"ensemble {ensemble!r}: of its members {', '.join(declared.members)} only {next(iter(members), 'none')} was tuned, and it "
            f"needs two. Why {missing} {'was' if missing.count(',') == 0 else 'were'} not, the log of `tune` tells."
        )
    if missing:
        on_progress(f"{ensemble}: made without {missing}")
    rows = dataset.of_training(settings, spec, training)
    with _candidate_run(settings, training, ensemble):
        trial = in_time(spec, ensemble, lambda: tuning.evaluate(spec, ensemble, {"members": members}, rows))
        return _kept(settings, training, spec, ensemble, tuning.Tuned(trial, (trial,)))


@contextmanager
def _candidate_run(settings: Settings, training: Training, name: str) -> Iterator[str]:
    """The candidate's MLflow run while it is worked at; marked as failed if that ends early, and taken up again at the next try."""
    from ml.registry import runs

    mlflow_run = runs.open_candidate(settings, training.model, run=training.key, parent=str(training.mlflow_run), candidate=name)
    try:
        yield mlflow_run
    except BaseException:  # Airflow's time limit is no Exception
        try:
            runs.fail_candidate(settings, training.model, mlflow_run=mlflow_run)
        except StoreUnavailable:  # it may have failed because of it
            log.warning("mlflow run not marked as failed model=%s run=%s candidate=%s", training.model, training.key, name)
        raise


def _kept(settings: Settings, training: Training, spec: ModelSpec, name: str, tuned: "Tuned") -> CandidateResult:
    from ml.registry import runs
    from ml.training import lineage

    assert tuned.best.value is not None, "the best trial is a complete one"
    result = CandidateResult(
        candidate=name,
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
        run=training.key,
        parent=str(training.mlflow_run),
        candidate=name,
        log=lineage.candidate_log(training, spec, name, tuned),
        result=result.model_dump_json(),
    )
    log.info("candidate tuned model=%s run=%s candidate=%s %s=%.5f", training.model, training.key, name, spec.metric, result.value)
    return result.model_copy(update={"mlflow_run": mlflow_run})


def _champions_params(state: State, spec: ModelSpec, name: str) -> dict[str, Any] | None:
    """What the champion was made with, if by a candidate of this name and class, alone or in an ensemble; else None."""
    from ml.training import champions

    champion = champions.of_now(state, spec.model)
    if champion is None:
        return None
    classes = {one.name: one.class_ for one in champion.spec.training.candidates}
    if classes.get(name) != spec.candidate(name).class_:
        return None
    verdict = champion.training.verdict or {}
    params: dict[str, Any] = verdict.get("params", {})
    if verdict.get("candidate") == name:
        return params
    members = params.get("members")
    found: dict[str, Any] | None = members.get(name) if isinstance(members, dict) else None
    return found
