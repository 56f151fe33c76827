"""Finding a candidate's parameters: fitted on the train part, compared on the validation part."""

import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ml.data.casting import label_text
from ml.errors import CandidateError
from ml.spec import LOWER_IS_BETTER, Candidate, Choice, IntRange, ModelSpec
from ml.training import candidates
from ml.training.dataset import Dataset
from ml.training.evaluation import measure, predict
from ml.training.pipeline import assemble, columns_step, model_step

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters and what it reached on the validation part, in the metric's unit."""

    params: dict[str, Any]
    value: float
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """All trials of a candidate, in their order, and the best one."""

    best: Trial
    trials: tuple[Trial, ...]


def tune(spec: ModelSpec, candidate: Candidate, dataset: Dataset, *, on_progress: Callable[[str], None] = lambda _: None) -> Tuned:
    """Tries the candidate's parameters, with the declared seed: one fit without a `search`, else `trials` by Optuna's TPE.

    The columns' step is fitted once for all trials. The same rows, declaration and seed give the same result. `on_progress` is told of each
    finished trial.

    Raises:
        CandidateError: The class does not fit the declaration, failed to fit these rows, or cannot be measured.
    """
    attempt = _attempt(spec, candidate, dataset)
    if not candidate.search:
        trial = attempt(dict(candidate.params))
        return Tuned(trial, (trial,))
    trials = _searched(spec, candidate, attempt, on_progress)
    sign = -1 if spec.metric in LOWER_IS_BETTER else 1
    return Tuned(max(trials, key=lambda one: sign * one.value), tuple(trials))


def fit(spec: ModelSpec, candidate: Candidate, params: Mapping[str, Any], rows: Any) -> Any:
    """The whole pipeline with these parameters, fitted on these rows; `CandidateError` if it cannot be."""
    estimator = candidates.build(spec, candidate, params)
    pipeline = assemble(columns_step(spec, estimator), model_step(spec, estimator))
    return _guarded(candidate, params, lambda: pipeline.fit(rows[list(spec.features.used)], rows[spec.target]))


def _searched(
    spec: ModelSpec, candidate: Candidate, attempt: Callable[[dict[str, Any]], Trial], on_progress: Callable[[str], None]
) -> list[Trial]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials: list[Trial] = []

    def objective(trial: optuna.Trial) -> float:
        found = attempt({**candidate.params, **{name: _suggest(trial, name, space) for name, space in candidate.search.items()}})
        trials.append(found)
        log.info("trial done model=%s candidate=%s trial=%d %s=%.5f", spec.model, candidate.name, len(trials), spec.metric, found.value)
        on_progress(
            f"{candidate.name}: trial {len(trials)} of {spec.training.trials}, {spec.metric} {found.value:.4f}, {found.seconds:.1f} s"
        )
        return found.value

    direction = "minimize" if spec.metric in LOWER_IS_BETTER else "maximize"
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=spec.training.seed))
    study.optimize(objective, n_trials=spec.training.trials)
    return trials


def _suggest(trial: Any, name: str, space: Any) -> Any:
    if isinstance(space, Choice):
        return trial.suggest_categorical(name, list(space.values))
    suggest = trial.suggest_int if isinstance(space, IntRange) else trial.suggest_float
    return suggest(name, space.low, space.high, log=space.log)


def _attempt(spec: ModelSpec, candidate: Candidate, dataset: Dataset) -> Callable[[dict[str, Any]], Trial]:
    train, validation = dataset.train, dataset.validation
    features, target = list(spec.features.used), spec.target
    columns = columns_step(spec, candidates.build(spec, candidate, candidate.params))
    matrix = _guarded(candidate, candidate.params, lambda: columns.fit_transform(train[features], train[target]))

    def attempt(params: dict[str, Any]) -> Trial:
        start = time.perf_counter()
        estimator = candidates.build(spec, candidate, params)
        model = _guarded(candidate, params, lambda: model_step(spec, estimator).fit(matrix, train[target].to_numpy()))
        found = predict(assemble(columns, model), validation[features], task=spec.task)
        metrics = measure(
            spec.task,
            labels=validation[target],
            predictions=found.values,
            probabilities=found.probabilities,
            positive=None if spec.positive is None else label_text(spec.positive),
        )
        if spec.metric not in metrics:
            raise CandidateError(_unmeasured(spec, candidate, has_probabilities=found.probabilities is not None))
        return Trial(params, metrics[spec.metric], metrics, time.perf_counter() - start)

    return attempt


def _unmeasured(spec: ModelSpec, candidate: Candidate, *, has_probabilities: bool) -> str:
    if spec.task != "regression" and not has_probabilities and spec.metric in {"roc_auc", "log_loss", "brier"}:
        return (
            f"candidate {candidate.name!r}: {candidate.class_} gives no probabilities, which {spec.metric} needs. "
            "Choose another class, or promotion.metric: balanced_accuracy."
        )
    return (
        f"candidate {candidate.name!r}: {spec.metric} is not defined on the validation rows (all of one class, or predictions that are not "
        "finite). Take in more data, or choose another promotion.metric."
    )


def _guarded(candidate: Candidate, params: Mapping[str, Any], act: Callable[[], Any]) -> Any:
    """Runs foreign code that may raise anything; warnings of a fit that did not converge do not stop it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return act()
    except CandidateError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"[:500]
        raise CandidateError(
            f"candidate {candidate.name!r}: {candidate.class_} failed to fit with {dict(params)!r}: {text}. "
            "Change its params or its class in model.yaml."
        ) from error
