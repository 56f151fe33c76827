"""What the steps of a training hand on: JSON-able values, the same however often a step is run."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ml.errors import ModelOwnerError
from ml.state.records import Training


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class FrozenRun(_Result):
    """The inputs of a training; they stay whatever changes meanwhile."""

    run: str
    model: str
    spec_hash: str
    dataset_version: int
    reason: str
    decision: str | None
    candidates: list[str]
    ensembles: list[str]


class Trial(_Result):
    """One set of parameters and what it reached, in the metric's unit. Read back from JSON it is the same to the last bit.

    Args:
        number: From 0, in the order of trying.
        params: All that the estimator was made with, declared and searched.
        value: The mean of `fold_values`; None if it failed, or before one was defined.
        fold_values: The metric in each fold that was fitted; None where that fold's rows do not define it.
        metrics: The mean over those folds of each metric, of the folds that define it.
        seconds: Fitting and measuring.
        state: `pruned`: given up before its last fold; `failed`: `reason` says why.
    """

    number: int
    params: dict[str, Any]
    value: float | None
    fold_values: tuple[float | None, ...]
    metrics: dict[str, float]
    seconds: float
    state: Literal["complete", "pruned", "failed"]
    reason: str | None = None


class CandidateResult(_Result):
    """A tuned candidate or ensemble. `value` is its metric, in the metric's unit: the mean over the folds' validation rows.

    `params` are the best ones; an ensemble's are `{"members": {candidate: its params}}`.
    """

    candidate: str
    mlflow_run: str
    metric: str
    value: float
    params: dict[str, Any]
    trials: int
    seconds: float


class GateVerdict(_Result):
    """What the gate said, with its evidence: metrics by name, all on the same `rows` test rows.

    `logged_model` is MLflow's id of what was saved, `model_sha256` the digest of its file.
    """

    run: str
    candidate: str
    params: dict[str, Any]
    wins: bool
    sentence: str
    metric: str
    rows: int
    gain: float | None
    minimum_gain: float
    challenger: dict[str, float]
    champion: dict[str, float] | None
    champion_version: int | None
    baseline: dict[str, float]
    mlflow_run: str
    logged_model: str
    model_sha256: str


class TrainResult(_Result):
    """What became of a training. `metrics` are the new version's on the test rows; `champion` is who serves now."""

    model: str
    version: int | None
    promoted: bool
    champion: int | None
    metrics: dict[str, float]
    dataset_version: int
    reason: str
    verdict: str
    run: str


def verdict_of(training: Training) -> GateVerdict | None:
    """The gate's verdict of a training run, or None before there is one."""
    if training.verdict is None or "error" in training.verdict:
        return None
    return GateVerdict.model_validate(training.verdict)


def needed_verdict(training: Training) -> GateVerdict:
    """The gate's verdict of a training run; `ModelOwnerError` before there is one, and when the run was abandoned before."""
    found = verdict_of(training)
    if found is None and training.verdict is not None:
        raise ModelOwnerError(f"training run {training.key!r} was abandoned meanwhile; start it again from its task `freeze`")
    if found is None:
        raise ModelOwnerError(f"training run {training.key!r} has no verdict yet; run its task `gate` first")
    return found
