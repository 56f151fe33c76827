"""Finding a candidate's parameters by cross-validation on the development part."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ml.data.casting import label_text
from ml.errors import CandidateError
from ml.spec import LOWER_IS_BETTER, ModelSpec
from ml.training.dataset import Dataset
from ml.training.evaluation import Predicted, measure
from ml.training.fitting import Prepared, fit_prepared, out_of_fold, prepare
from ml.training.folds import folds
from ml.training.results import Trial
from ml.training.search import Search

log = logging.getLogger(__name__)

State = Literal["complete", "pruned", "failed"]
_LONGEST_REASON = 300
_NEED_PROBABILITIES = frozenset({"roc_auc", "log_loss", "brier"})


@dataclass(frozen=True, slots=True)
class Tuned:
    """All trials of a candidate, in their order, and the best of those that were complete."""

    best: Trial
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """Whom each new trial is told to: the store, and the person who watches."""

    store: Callable[[Trial], None]
    person: Callable[[str], None]


def tune(
    spec: ModelSpec,
    name: str,
    dataset: Dataset,
    *,
    earlier: Sequence[Trial] = (),
    first: Mapping[str, Any] | None = None,
    on_trial: Callable[[Trial], None] = lambda _: None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Tries a candidate's parameters with the declared sampler and seed; without a `search` its declared ones only.

    A trial's value is the mean of the metric over the folds of `ml.training.folds`. A fold that does not define it (roc_auc where the
    validation rows are of one class) is passed over; if none defines it, the trial has failed. A trial that fails does not stop the
    others. The columns' step is fitted once a fold. The same rows, declaration and seed give the same trials, as long as no time limit
    ends them.

    Args:
        spec: The declaration.
        name: The candidate.
        dataset: Only its development part is looked at.
        earlier: Trials of the same search that were finished before a kill, by number: they are not made again.
        first: The parameters that trial 0 tries, as far as the search has them; the champion's.
        on_trial: Told of each new trial when it has ended, before the next one begins.
        on_progress: Told in words.

    Raises:
        CandidateError: The class does not fit the declaration, its columns' step failed, or no trial was completed.
        NoData: The rows cannot be divided into folds.
    """
    done = [trial for number, trial in enumerate(sorted(earlier, key=lambda one: one.number)) if trial.number == number]
    if spec.candidate(name).search:
        done = _searched(spec, name, dataset, done, first, _Told(on_trial, on_progress))
    elif not done:
        done = [_tried(spec, name, _ready(spec, name, dataset), spec.candidate(name).params, number=0)]
        on_trial(done[0])
    return Tuned(_best(spec, name, done), tuple(done))


def evaluate(spec: ModelSpec, name: str, params: Mapping[str, Any], dataset: Dataset) -> Trial:
    """What an ensemble of these members' parameters reaches in the same folds, as the one trial of it.

    Raises:
        CandidateError: It cannot be fitted or measured.
        NoData: The rows cannot be divided into folds.
    """
    start = time.perf_counter()
    rows = dataset.development
    parts = folds(rows, spec)
    found = out_of_fold(spec, name, params, rows, parts)
    truth = rows[spec.target].iloc[found.positions]
    measured = []
    for fold in parts:
        inside = np.isin(found.positions, fold.validation)
        table = found.predicted.probabilities
        said = Predicted(found.predicted.values[inside], None if table is None else table[inside])
        measured.append(_measured(spec, name, truth[inside], said))
    trial = _trial(spec, name, params, measured, number=0, seconds=time.perf_counter() - start)
    if trial.state == "failed":
        raise CandidateError(str(trial.reason))
    return trial


def _searched(
    spec: ModelSpec, name: str, dataset: Dataset, earlier: list[Trial], first: Mapping[str, Any] | None, told: _Told
) -> list[Trial]:
    start, spent = time.perf_counter(), sum(trial.seconds for trial in earlier)
    candidate = spec.candidate(name)
    limit = None if spec.training.time_limit is None else spec.training.time_limit.total_seconds()
    search = Search(spec, candidate, first=first, folds=spec.training.folds)
    trials = earlier[: search.size]
    for trial in trials:
        search.add(trial)
    if trials and len(trials) < search.size:
        told.person(f"{name}: {len(trials)} of {search.size} trials were made before; going on")
    prepared = _ready(spec, name, dataset) if len(trials) < search.size else []
    while len(trials) < search.size:
        elapsed = spent + time.perf_counter() - start
        if limit is not None and elapsed >= limit and any(trial.state == "complete" for trial in trials):
            told.person(f"{name}: its time limit is over after {len(trials)} of {search.size} trials")
            break
        params = {**candidate.params, **search.ask()}
        trials.append(_tried(spec, name, prepared, params, number=len(trials), is_hopeless=search.is_hopeless))
        search.tell(trials[-1])
        told.store(trials[-1])
        value, state = trials[-1].value, trials[-1].state
        log.info("trial ended model=%s candidate=%s trial=%d state=%s %s=%s", spec.model, name, len(trials) - 1, state, spec.metric, value)
        told.person(_line(spec, name, trials, search.size, folds_=len(prepared), left=None if limit is None else limit - elapsed))
    return trials


def _ready(spec: ModelSpec, name: str, dataset: Dataset) -> list[Prepared]:
    rows = dataset.development
    return [prepare(spec, name, rows, fold) for fold in folds(rows, spec)]


def _tried(
    spec: ModelSpec,
    name: str,
    prepared: Sequence[Prepared],
    params: Mapping[str, Any],
    *,
    number: int,
    is_hopeless: Callable[[list[float | None]], bool] = lambda _: False,
) -> Trial:
    start = time.perf_counter()
    measured: list[dict[str, float]] = []
    state: State = "complete"
    reason = None
    try:
        for fold in prepared:
            measured.append(_measured(spec, name, fold.truth, fit_prepared(spec, params, fold)))
            if len(measured) < len(prepared) and is_hopeless([one.get(spec.metric) for one in measured]):
                state = "pruned"
                break
    except CandidateError as error:
        state, reason = "failed", str(error)
    return _trial(spec, name, params, measured, number=number, seconds=time.perf_counter() - start, state=state, reason=reason)


def _measured(spec: ModelSpec, name: str, truth: pd.Series, said: Predicted) -> dict[str, float]:
    if spec.task != "regression" and said.probabilities is None and spec.metric in _NEED_PROBABILITIES:
        raise CandidateError(
            f"{_called(spec, name)} gives no probabilities, which {spec.metric} needs. "
            "Choose another class, or promotion.metric: balanced_accuracy."
        )
    positive = None if spec.positive is None else label_text(spec.positive)
    return measure(spec.task, labels=truth, predictions=said.values, probabilities=said.probabilities, positive=positive)


def _trial(
    spec: ModelSpec,
    name: str,
    params: Mapping[str, Any],
    measured: list[dict[str, float]],
    *,
    number: int,
    seconds: float,
    state: State = "complete",
    reason: str | None = None,
) -> Trial:
    names = sorted({metric for one in measured for metric in one})
    means = {metric: float(np.mean([one[metric] for one in measured if metric in one])) for metric in names}
    if state == "complete" and spec.metric not in means:
        state = "failed"
        reason = (
            f"{_called(spec, name)}: {spec.metric} is not defined on the validation rows of any fold (all of one class, or predictions "
            "that are not finite). Take in more data, or choose another promotion.metric."
        )
    return Trial(
        number=number,
        params=dict(params),
        value=None if state == "failed" else means.get(spec.metric),
        fold_values=tuple(one.get(spec.metric) for one in measured),
        metrics=means,
        seconds=seconds,
        state=state,
        reason=reason,
    )


def _called(spec: ModelSpec, name: str) -> str:
    return f"ensemble {name!r}" if spec.ensemble(name) is not None else f"candidate {name!r}: {spec.candidate(name).class_}"


def _best(spec: ModelSpec, name: str, trials: Sequence[Trial]) -> Trial:
    """The best complete trial, the first of equal ones."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    if not complete:
        last = str(trials[-1].reason)
        raise CandidateError(
            last if len(trials) == 1 else f"candidate {name!r}: none of its {len(trials)} trials succeeded. The last: {last}"
        )
    sign = -1 if spec.metric in LOWER_IS_BETTER else 1
    return max(complete, key=lambda one: sign * (one.value or 0.0))


def _line(spec: ModelSpec, name: str, trials: Sequence[Trial], size: int, *, folds_: int, left: float | None) -> str:
    """Tells a person of the newest trial: what it reached, the best so far, and how long the others may take."""
    trial = trials[-1]
    said = f"{name}: trial {trial.number + 1} of {size}, "
    if trial.state == "failed":
        said += f"failed: {str(trial.reason)[:_LONGEST_REASON]}"
    elif trial.state == "pruned":
        # Without its value: folds differ, and that of the first ones may well look better than the best mean of all of them.
        said += f"given up after {len(trial.fold_values)} of {folds_} folds, where half of the other trials were better"
    else:
        said += f"{spec.metric} {trial.value:.4f}"
    if any(one.state == "complete" for one in trials):
        said += f", best {_best(spec, name, trials).value:.4f}"
    said += f", {trial.seconds:.1f} s"
    if len(trials) == size:
        return said
    expected = (size - len(trials)) * float(np.mean([one.seconds for one in trials]))
    return f"{said}, about {_duration(expected if left is None else max(0.0, min(expected, left)))} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
