"""What one run has done, and why: a training by its key, a look by its window. From the state database alone."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml.jobs.actions import scores
from ml.jobs.beyond_results import EstimatedResult, estimated
from ml.jobs.decision_facts import DecisionFacts, facts
from ml.jobs.look_results import ColumnDrift, DriftResult, drift_result
from ml.settings import Settings
from ml.state import State, approvals, estimates, ledger, specs, trainings
from ml.state.records import Training, Window
from ml.training.outcome import Check
from ml.training.results import GateVerdict, verdict_of


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=(), from_attributes=True)


class Asked(_Result):
    """What a person was asked, and what they said; `approved` is None while nobody has. `by` is None where the time ran out."""

    until: datetime
    approved: bool | None
    by: str | None


class TrainingFacts(_Result):
    """A training run.

    `headline` is how it stands, in one sentence. `candidates` are the declared ones and the ensembles; `chosen` met the champion;
    `scores`: metric → whose → value on the compared test rows; `checks`: all that the gate looked at, the comparison first.
    """

    model: str
    headline: str
    state: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    dataset_version: int
    labels_version: int | None
    spec_hash: str
    metric: str
    candidates: list[str]
    chosen: str | None
    question: str | None
    sentence: str | None
    checks: list[Check]
    scores: dict[str, dict[str, float]]
    rows: int | None
    warnings: list[str]
    version: int | None
    mlflow_run: str | None
    promoted_by: str | None
    asked: Asked | None
    decision: DecisionFacts | None
    error: str | None


class QualityFacts(_Result):
    """A metric of the champion on labelled rows; `low` to `high` is its 95 % interval, where one was measured."""

    metric: str
    value: float
    rows: int
    low: float | None
    high: float | None


class LookFacts(_Result):
    """One window: what was seen and decided. `headline` says it in one sentence; `drifted` are columns, the farthest beyond first."""

    model: str
    headline: str
    window: str
    number: int
    rows: int
    labelled_rows: int | None
    start_time: datetime | None
    end_time: datetime | None
    start_version: int
    end_version: int
    champion: int
    measured_at: datetime | None
    report: bool
    drift: DriftResult
    drifted: list[tuple[str, ColumnDrift]]
    quality: list[QualityFacts]
    estimated: EstimatedResult | None
    decision: DecisionFacts | None


def training(settings: Settings, key: str) -> TrainingFacts | None:
    """The training run with this key; None where it was not begun."""
    state = State.open(settings).reader
    found = trainings.find(state, key)
    if found is None:
        return None
    spec, verdict, asked = specs.recall(state, found.spec_hash), verdict_of(found), approvals.find(state, key)
    made = ledger.find_decision(state, found.decision) if found.decision is not None else None
    crowned = [one for one in trainings.promotion_history(state, found.model) if one.version == found.version and one.kind == "promote"]
    return TrainingFacts(
        **{name: getattr(found, name) for name in _OF_TRAINING},
        **_of_verdict(verdict),
        headline=_headline(found, verdict, waits=asked is not None and asked.answered_at is None),
        metric=spec.metric,
        candidates=[*(one.name for one in spec.training.candidates), *(one.name for one in spec.training.ensembles)],
        scores=scores(verdict),
        promoted_by=crowned[0].by if found.version is not None and crowned else None,
        asked=Asked.model_validate(asked) if asked is not None else None,
        decision=facts(state, made) if made is not None else None,
        error=str((found.verdict or {}).get("error", "")) or None,
    )


def look(settings: Settings, window: str) -> LookFacts | None:
    """The window with this id, as it was measured and decided; None where there is none."""
    state = State.open(settings).reader
    found = ledger.find_window(state, window)
    if found is None:
        return None
    drifts, qualities = ledger.measurement(state, window)
    between = estimates.detail(state, window, "intervals") or {}
    drift, made = drift_result(drifts), ledger.decision_for(state, window)
    return LookFacts(
        **{name: getattr(found, name) for name in _OF_WINDOW},
        window=found.id,
        headline=_look_headline(found, drift, retrain=made.retrain if made is not None else None),
        report=bool(found.report_url),
        drift=drift,
        drifted=sorted(((name, one) for name, one in drift.columns.items() if one.drifted), key=lambda one: -_beyond(one[1])),
        quality=[_quality(one.metric, one.value, one.rows, between.get(one.metric)) for one in qualities],
        estimated=estimated(state, found),
        decision=facts(state, made) if made is not None else None,
    )


_OF_TRAINING = (
    "model",
    "state",
    "reason",
    "started_at",
    "finished_at",
    "dataset_version",
    "labels_version",
    "spec_hash",
    "version",
    "mlflow_run",
)
_OF_WINDOW = (
    "model",
    "number",
    "rows",
    "labelled_rows",
    "start_time",
    "end_time",
    "start_version",
    "end_version",
    "champion",
    "measured_at",
)


def _of_verdict(verdict: GateVerdict | None) -> dict[str, Any]:
    if verdict is None:
        return {"chosen": None, "question": None, "sentence": None, "checks": [], "rows": None, "warnings": []}
    told = {"question": verdict.question, "sentence": verdict.sentence, "checks": verdict.reasons}
    return {**told, "chosen": verdict.candidate, "rows": verdict.rows, "warnings": verdict.warnings}


def _headline(found: Training, verdict: GateVerdict | None, *, waits: bool) -> str:
    if found.state == "promoted":
        return f"Version {found.version} became champion."
    if found.state == "challenger":
        return f"Version {found.version} did not become champion."
    if found.state == "failed":
        return "The training failed; its decisions were given back."
    if waits and found.version is not None:
        return f"Version {found.version} has won and waits for a person."
    return "The training is under way." if verdict is None else f"The training is under way: {verdict.candidate} was judged."


def _look_headline(window: Window, drift: DriftResult, *, retrain: bool | None) -> str:
    if window.measured_at is None:
        return f"Window {window.number} could not be measured." if retrain is not None else f"Window {window.number} is not measured yet."
    drifted = sum(one.drifted for one in drift.columns.values())
    seen = f"{drifted} of {len(drift.columns)} feature columns drifted in window {window.number}"
    if retrain is None:
        return f"{seen}; nothing is decided yet."
    return f"{seen}; {'a training is asked for' if retrain else 'no training is asked for'}."


def _quality(metric: str, value: float, rows: int, between: Any) -> QualityFacts:
    low, high = between or (None, None)
    return QualityFacts(metric=metric, value=value, rows=rows, low=low, high=high)


def _beyond(one: ColumnDrift) -> float:
    return one.value / one.threshold if one.threshold > 0 else one.value
