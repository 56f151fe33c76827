"""Fitting a candidate or an ensemble by its name, and what such models say of rows that they have not seen."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from ml.errors import CandidateError
from ml.spec import Ensemble, ModelSpec
from ml.training import candidates, ensembles
from ml.training.evaluation import Predicted, predict
from ml.training.folds import Fold
from ml.training.pipeline import assemble, columns_step, model_step

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One fold made ready for many fits of one candidate: its columns' step is fitted once, on the training part.

    What the step gives depends on the candidate's class and not on its parameters, so that every trial takes the same matrices.
    """

    candidate: str
    train: Any
    """Rows x columns, as the estimator takes them."""
    labels: npt.NDArray[Any]
    """The target of the training rows."""
    validation: Any
    positions: Positions
    """Of the validation rows, in the frame that was prepared."""
    truth: "pd.Series[Any]"
    """The target of the validation rows."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What models said of rows that they were not fitted on: `positions` in the frame, ascending, one prediction each."""

    positions: Positions
    predicted: Predicted


def fit(spec: ModelSpec, name: str, params: Mapping[str, Any], rows: pd.DataFrame) -> Pipeline:
    """The candidate or ensemble `name` with these parameters, fitted on raw rows (features and target; time and group where declared).

    For an ensemble `params` is `{"members": {member: its params}}`: it is made of these members, at least two. With
    `training.balance` every class weighs the same in estimators whose `fit` takes `sample_weight`; the others are fitted as they are.

    Raises:
        CandidateError: The class does not fit the declaration, or failed on these rows.
    """
    ensemble = spec.ensemble(name)
    if ensemble is None:
        estimator = candidates.build(spec, spec.candidate(name), params)
        pipeline = assemble(columns_step(spec, estimator), model_step(spec, estimator))
    else:
        rows = ensembles.ordered(spec, ensemble, rows)
        pipeline = guarded(spec, name, params, lambda: ensembles.build(spec, ensemble, params, rows))
    fitted: Pipeline = guarded(spec, name, params, lambda: pipeline.fit(rows[list(spec.features.used)], rows[spec.target]))
    return fitted if ensemble is None else ensembles.without_rows(fitted)


def prepare(spec: ModelSpec, name: str, rows: pd.DataFrame, fold: Fold) -> Prepared:
    """The fold's matrices for a candidate (not for an ensemble). `CandidateError` if its columns' step cannot be fitted."""
    candidate = spec.candidate(name)
    features, target = list(spec.features.used), spec.target
    train, validation = rows.iloc[fold.train], rows.iloc[fold.validation]
    columns = columns_step(spec, candidates.build(spec, candidate, candidate.params))
    labels = train[target].to_numpy()
    matrix = guarded(spec, name, candidate.params, lambda: columns.fit_transform(train[features], labels))
    seen = guarded(spec, name, candidate.params, lambda: columns.transform(validation[features]))
    return Prepared(name, matrix, labels, seen, fold.validation, validation[target])


def fit_prepared(spec: ModelSpec, params: Mapping[str, Any], prepared: Prepared) -> Predicted:
    """Fits the candidate with these parameters on the fold's training part, and says what it predicts for the validation part.

    The same as `fit` on the training rows and `predict` on the validation rows, without the columns' step.

    Raises:
        CandidateError: The class does not take the parameters, or failed on these rows.
    """
    candidate = spec.candidate(prepared.candidate)
    model = model_step(spec, candidates.build(spec, candidate, params))

    def act() -> Predicted:
        fitted = model.fit(prepared.train, prepared.labels)
        return predict(fitted, prepared.validation, task=spec.task)

    found: Predicted = guarded(spec, prepared.candidate, params, act)
    return found


def out_of_fold(spec: ModelSpec, name: str, params: Mapping[str, Any], rows: pd.DataFrame, folds: Sequence[Fold]) -> OutOfFold:
    """Predictions for the validation parts by models fitted on the training parts; rows that stand in no validation part have none.

    A class that was missing in a training part has probability 0 there.

    Raises:
        CandidateError: As `fit`.
    """
    found = [_said(spec, name, params, rows, fold) for fold in folds]
    positions = np.concatenate([fold.validation for fold in folds])
    order = np.argsort(positions, kind="stable")
    values = np.concatenate([one.values for one in found])[order]
    tables = [one.probabilities for one in found if one.probabilities is not None]
    if len(tables) < len(found):
        return OutOfFold(positions[order], Predicted(values, None))
    table = pd.concat(tables, ignore_index=True).fillna(0.0)
    table = table[sorted(table.columns)].iloc[order].set_axis(rows.index[positions[order]])
    return OutOfFold(positions[order], Predicted(values, table))


def _said(spec: ModelSpec, name: str, params: Mapping[str, Any], rows: pd.DataFrame, fold: Fold) -> Predicted:
    if spec.ensemble(name) is None:
        return fit_prepared(spec, params, prepare(spec, name, rows, fold))
    pipeline = fit(spec, name, params, rows.iloc[fold.train])
    unseen = rows.iloc[fold.validation][list(spec.features.used)]
    found: Predicted = guarded(spec, name, params, lambda: predict(pipeline, unseen, task=spec.task))
    return found


def guarded(spec: ModelSpec, name: str, params: Mapping[str, Any], act: Callable[[], Any], *, doing: str = "fit") -> Any:
    """Runs foreign code that may raise anything, or ask Python to end; warnings of a fit that did not converge do not stop it.

    Raises:
        CandidateError: `act` failed; the message names the candidate, its class, its parameters, what it was `doing` and the error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return act()
    except CandidateError:
        raise
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"[:500]
        raise CandidateError(
            f"{_called(spec, name)} failed to {doing} with {str(dict(params))[:500]}: {text}. Change its params or its class in model.yaml."
        ) from error


def _called(spec: ModelSpec, name: str) -> str:
    ensemble: Ensemble | None = spec.ensemble(name)
    if ensemble is not None:
        return f"ensemble {name!r}: {ensemble.combine} of {', '.join(ensemble.members)}"
    return f"candidate {name!r}: {spec.candidate(name).class_}"
