"""What the steps of a training hand on: JSON-able values, the same however often a step is run."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.errors import ModelOwnerError
from ml.state.records import Training
from ml.training.outcome import LEFT_OUT, Check, Comparison, Question


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
    """What the gate said, with its evidence.

    Args:
        params: What the chosen candidate or ensemble was made with.
        finishing: Calibration and threshold, as `ml.training.finishing.Finishing`.
        question: `routine`, `changed recipe` or `first model`.
        sentence: The verdict in one sentence.
        reasons: Every check that was made (`ml.training.outcome.Check`), the comparison first; last, as not tested, the candidates that
            were better when tuned, but could not be fitted or saved here.
        comparison: The paired test that decided (`ml.training.outcome.Comparison`); None where nothing could be compared.
        rows: The test rows that were compared, those that the champion was not made with; `challenger`, `champion` and `baseline` are
            metrics on these.
        metrics: The challenger's metrics on all test rows.
        warnings: Signs of leakage, each a sentence with its cure; rows without a label; features that are constant or always missing.
        agreement: How far the promoted model, fitted on all rows, agrees with the tested one, 0-1.
        latency_ms: What one row takes when it is predicted alone.
        logged_model: MLflow's id of what was saved; `model_sha256` is the digest of its file, `size_mb` its size.
        tested_sha256: The digest of the tested model's file (`ml.training.tested_model`); None of trainings that did not keep it.
    """

    run: str
    candidate: str
    params: dict[str, Any]
    finishing: dict[str, Any] = Field(default_factory=lambda: {"calibration": {"method": "none"}, "threshold": None})
    wins: bool
    question: Question = "first model"
    sentence: str
    reasons: list[Check] = []
    comparison: Comparison | None = None
    metric: str
    rows: int
    gain: float | None
    challenger: dict[str, float]
    champion: dict[str, float] | None
    champion_version: int | None
    baseline: dict[str, float]
    metrics: dict[str, float]
    warnings: list[str] = []
    agreement: float | None = None
    latency_ms: float | None = None
    size_mb: float | None = None
    mlflow_run: str
    logged_model: str
    model_sha256: str
    tested_sha256: str | None = None

    @property
    def left_out(self) -> list[Check]:
        """The reasons that stand for candidates that were left out at the gate."""
        return [check for check in self.reasons if check.text.startswith(LEFT_OUT)]

    @model_validator(mode="before")
    @classmethod
    def _stored_before(cls, found: Any) -> Any:
        """Verdicts of before the gate tested: they had one set of metrics."""
        return {**found, "metrics": found["challenger"]} if isinstance(found, dict) and "metrics" not in found else found


class TrainResult(_Result):
    """What became of a training. `metrics` are the new version's on all test rows; `champion` is who serves now.

    `candidate`: the candidate or ensemble that the version is made of, the best one that the gate did not leave out. `warnings`: the
    verdict's, and why better ones were left out.
    """

    model: str
    version: int | None
    candidate: str
    promoted: bool
    champion: int | None
    metrics: dict[str, float]
    dataset_version: int
    reason: str
    verdict: str
    warnings: list[str]
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
