"""From a candidate's declaration to an estimator."""

import importlib
import os
from collections.abc import Mapping
from typing import Any

from ml.errors import CandidateError
from ml.spec import Candidate, ModelSpec

THREADS = max(1, min(2, (os.cpu_count() or 1) // 2))
"""For estimators that can use several: candidates are trained beside each other, and threads that wait for a core make XGBoost many times
slower than one thread alone."""


def build(spec: ModelSpec, candidate: Candidate, params: Mapping[str, Any]) -> Any:
    """The unfitted estimator with these parameters, the declared seed and few threads.

    Raises:
        CandidateError: The class cannot be imported, takes no such parameter, or is for another task.
    """
    estimator = _made(candidate, params)
    names = estimator.get_params() if hasattr(estimator, "get_params") else {}
    extra: dict[str, Any] = {}
    if "random_state" in names and "random_state" not in params:
        extra["random_state"] = spec.training.seed
    # scikit-learn's linear models deprecate n_jobs: setting it warns and does nothing.
    if "n_jobs" in names and "n_jobs" not in params and not candidate.class_.startswith("sklearn.linear_model."):
        extra["n_jobs"] = THREADS
    if extra:
        estimator.set_params(**extra)
    _check_task(spec, candidate, estimator)
    return estimator


def class_paths(spec: ModelSpec, name: str) -> tuple[str, ...]:
    """The dotted paths of what the candidate or ensemble `name` is made of; KeyError if there is neither."""
    ensemble = spec.ensemble(name)
    members = (name,) if ensemble is None else ensemble.members
    return tuple(dict.fromkeys(spec.candidate(member).class_ for member in members))


def _made(candidate: Candidate, params: Mapping[str, Any]) -> Any:
    module, _, name = candidate.class_.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CandidateError(
            f"candidate {candidate.name!r}: {candidate.class_} cannot be imported: {error}. Check the spelling, or install its package."
        ) from error
    try:
        return made(**params)
    except (Exception, SystemExit) as error:
        raise CandidateError(
            f"candidate {candidate.name!r}: {candidate.class_} does not take {_shown(params)}: {error}. "
            "Correct params and search in model.yaml."
        ) from error


def _check_task(spec: ModelSpec, candidate: Candidate, estimator: Any) -> None:
    from sklearn.base import is_classifier, is_regressor

    try:
        wrong = is_regressor(estimator) if spec.task != "regression" else is_classifier(estimator)
    except (AttributeError, TypeError):  # a class without scikit-learn's tags: it may be either
        wrong = False
    if wrong or not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        needed = "a regressor" if spec.task == "regression" else "a classifier"
        raise CandidateError(
            f"candidate {candidate.name!r}: {candidate.class_} is not {needed}, as task: {spec.task} needs. Choose another class."
        )


def _shown(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in params.items())[:200] or "no parameters"
