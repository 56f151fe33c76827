"""Several candidates as one: scikit-learn's voting and stacking over their whole pipelines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

from ml.errors import CandidateError
from ml.spec import Ensemble, ModelSpec
from ml.training import candidates, folds
from ml.training.pipeline import assemble, columns_step, model_step

STACKING_PARTS = 5
"""Parts of the inner cross-validation of a stacking, as scikit-learn's default."""


def build(spec: ModelSpec, ensemble: Ensemble, params: Mapping[str, Any], rows: pd.DataFrame) -> Pipeline:
    """The unfitted ensemble of the members in `params["members"]` (member → its params), for these rows, which `ordered` has ordered.

    Each member keeps a columns' step of its own: what one takes sparse, another needs dense. The pipeline's one step takes raw rows.

    Raises:
        CandidateError: Fewer than two members, a member that cannot be built, or one that gives no probabilities in a vote.
    """
    chosen = params.get("members", {})
    if len(chosen) < 2:
        raise CandidateError(
            f"ensemble {ensemble.name!r}: of its members {', '.join(ensemble.members)} only {next(iter(chosen), 'none')} can be used, and "
            "it needs two. "
            "Correct the candidates that failed, or take the ensemble out of model.yaml."
        )
    members = [(name, _member(spec, name, chosen[name])) for name in chosen]
    made = _voting(spec, ensemble, members) if ensemble.combine == "voting" else _stacking(spec, members, rows)
    return Pipeline([("model", model_step(spec, made))])


def ordered(spec: ModelSpec, ensemble: Ensemble, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order that `build` needs: by time for a stacking, so that its contiguous parts follow time."""
    if ensemble.combine == "voting" or spec.time is None or spec.time not in rows:
        return rows
    order = rows[spec.time].reset_index(drop=True).sort_values(kind="stable", na_position="first").index.to_numpy()
    return rows.iloc[order]


def without_rows(fitted: Pipeline) -> Pipeline:
    """The fitted pipeline without the positions of a stacking's inner parts: they are of no use later, and would be saved with it."""
    model = fitted.named_steps["model"]
    for one in (model, getattr(model, "estimator", None), getattr(model, "estimator_", None)):
        if isinstance(one, StackingClassifier | StackingRegressor):
            one.cv = STACKING_PARTS
    return fitted


def _member(spec: ModelSpec, name: str, params: Mapping[str, Any]) -> Pipeline:
    estimator = candidates.build(spec, spec.candidate(name), params)
    return assemble(columns_step(spec, estimator), model_step(spec, estimator))


def _voting(spec: ModelSpec, ensemble: Ensemble, members: list[tuple[str, Pipeline]]) -> Any:
    if spec.task == "regression":
        return VotingRegressor(members)
    for name, member in members:
        if not hasattr(member.named_steps["model"], "predict_proba"):
            raise CandidateError(
                f"ensemble {ensemble.name!r}: {spec.candidate(name).class_} of its member {name!r} gives no probabilities, which a vote "
                "needs. Take the member out, or write combine: stacking."
            )
    return VotingClassifier(members, voting="soft")


def _stacking(spec: ModelSpec, members: list[tuple[str, Pipeline]], rows: pd.DataFrame) -> Any:
    """The final estimator is linear and learns from members' predictions for rows that they were not fitted on."""
    parts = _parts(spec, rows)
    if spec.task == "regression":
        return StackingRegressor(members, final_estimator=RidgeCV(), cv=parts)
    weight = "balanced" if spec.training.balance else None
    final = LogisticRegression(max_iter=1000, class_weight=weight)
    return StackingClassifier(members, final_estimator=final, cv=parts)


def _parts(spec: ModelSpec, rows: pd.DataFrame) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """The inner parts: whole groups where `group` is declared, contiguous in time where `time` is, else stratified.

    Each row must stand in one validation part, which a forward chain cannot give to the oldest. Contiguous parts are fair here: only the
    members' weights come out of them, and a row's neighbours in time are (but for two borders) on its own side (Bergmeir and Benitez,
    "On the use of cross-validation for time series predictor evaluation", 2012).
    """
    grouped = spec.group is not None and spec.group in rows
    if not grouped and spec.time is not None:
        return list(KFold(STACKING_PARTS).split(np.arange(len(rows))))
    training = spec.training.model_copy(update={"folds": STACKING_PARTS})
    inner = spec.model_copy(update={"training": training, "time": None, "group": spec.group if grouped else None})
    return [(fold.train, fold.validation) for fold in folds.folds(rows, inner)]
