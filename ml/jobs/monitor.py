"""One look at the champion: take the window, measure drift and quality, decide.

Each step may be killed and run again: a window that is not decided yet is finished before a new one is taken, and a step that was
done returns what it did.
"""

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy.exc import NoResultFound

from ml import specfile
from ml.errors import CallError, UnknownVersion
from ml.monitoring import NOT_FEATURES
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings
from ml.state.records import Decision, Drift, Quality, Training, Window

if TYPE_CHECKING:
    from ml.data.table import AcceptedTable
    from ml.policy import Evidence, QualityChange

log = logging.getLogger(__name__)


class TakenWindow(BaseModel):
    """The window to measure; where `window` is None, `reason` says why there is none."""

    model: str
    window: str | None
    reason: str | None = None


class ColumnDrift(BaseModel):
    """How far one column lies from the reference. `drifted` means `value >= threshold`."""

    method: str
    value: float
    threshold: float
    drifted: bool


class DriftResult(BaseModel):
    """Drift by feature column; `share` (0-1) of them drifted, None if none can be compared."""

    share: float | None
    columns: dict[str, ColumnDrift]
    target: ColumnDrift | None = None
    prediction: ColumnDrift | None = None


class WindowResult(BaseModel):
    """Which rows were looked at: those of the dataset versions in (`start_version`, `end_version`]."""

    id: str
    number: int
    rows: int
    labelled_rows: int | None
    start_version: int
    end_version: int
    start_time: datetime | None
    end_time: datetime | None
    champion: int


class Measured(BaseModel):
    """What was measured in a window."""

    model: str
    window: WindowResult
    drift: DriftResult
    quality: dict[str, float]
    report: str


class DecisionResult(BaseModel):
    """The decision about a window. `state`: `no`, `recorded` (yes, but retraining is off), or one of the ledger's."""

    id: str
    retrain: bool
    reasons: list[str]
    state: str


class MonitorResult(BaseModel):
    """One look. Without a window only `reason` is set."""

    model: str
    window: WindowResult | None = None
    reason: str | None = None
    drift: DriftResult | None = None
    quality: dict[str, float] = {}
    decision: DecisionResult | None = None
    report: str | None = None


def monitor(settings: Settings, model: str) -> MonitorResult:
    """Takes, measures and decides one window."""
    taken = take_window(settings, model)
    if taken.window is None:
        return MonitorResult(model=model, reason=taken.reason)
    measured = measure(settings, taken.window)
    decision = decide(settings, taken.window)
    return MonitorResult(
        model=model,
        window=measured.window,
        drift=measured.drift,
        quality=measured.quality,
        decision=decision,
        report=measured.report,
    )


def take_window(settings: Settings, model: str) -> TakenWindow:
    """The window that waits for its decision, or a new one of all rows accepted since the last (and since the champion's)."""
    spec = specfile.load(settings, model)
    state = State.open(settings)
    at = datetime.now(UTC)
    last = ledger.last_window(state, model)
    if last is not None and ledger.decision_for(state, last.id) is None:
        log.info("window continued window=%s", last.id)
        return TakenWindow(model=model, window=last.id)
    crowned = trainings.champion(state, model)
    if crowned is None:
        return TakenWindow(model=model, window=None, reason="no champion yet: a training must promote a first version")
    trained = _training(state, model, crowned.version)

    from ml.data.table import AcceptedTable

    table = AcceptedTable.of(settings, model, spec)
    start = max(trained.dataset_version, last.end_version if last is not None else -1)
    end = table.version()
    if end is None or end <= start:
        return TakenWindow(model=model, window=None, reason=f"no new rows since dataset version {start}")
    rows = table.count(version=end, after_version=start)
    if rows < spec.monitoring.minimum_rows:
        reason = f"{rows} new rows of {spec.monitoring.minimum_rows} (monitoring.minimum_rows): the window waits for more"
        return TakenWindow(model=model, window=None, reason=reason)
    first, newest = _period(table, spec, start=start, end=end)
    window = Window(
        id="",
        model=model,
        number=0,
        start_version=start,
        end_version=end,
        as_of=at,
        rows=rows,
        labelled_rows=None,
        start_time=first,
        end_time=newest,
        champion=crowned.version,
        spec_hash=specs.remember(state, spec, at=at),
        report_url=None,
        mlflow_run=None,
        measured_at=None,
    )
    opened = ledger.open_window(state, window)
    log.info("window taken window=%s rows=%d versions=%d..%d champion=%d", opened.id, rows, start + 1, end, crowned.version)
    return TakenWindow(model=model, window=opened.id)


def measure(settings: Settings, window: str) -> Measured:
    """Measures drift and quality of the window, writes its report, and logs both to MLflow. A measured window stays as it is."""
    state = State.open(settings)
    found = _window(state, window)
    if found.measured_at is None:
        from ml.jobs.measuring import measure_window

        trained = _training(state, found.model, found.champion)
        learnt = specs.recall(state, trained.spec_hash)
        measure_window(settings, state, found, spec=_watched_spec(state, found), learnt=learnt, trained=trained)
        found = _window(state, window)
    drifts, qualities = ledger.measurement(state, window)
    return Measured(
        model=found.model,
        window=WindowResult.model_validate(found, from_attributes=True),
        drift=_drift_result(drifts),
        quality={one.metric: one.value for one in qualities},
        report=found.report_url or "",
    )


def decide(settings: Settings, window: str) -> DecisionResult:
    """Decides about a measured window, once: a second call returns the first decision."""
    from ml import policy

    state = State.open(settings)
    made = ledger.decision_for(state, window)
    if made is None:
        found = _window(state, window)
        if found.measured_at is None:
            raise CallError(f"window {window} is not measured yet, so nothing can be decided; measure it first")
        at = datetime.now(UTC)
        spec = specs.recall(state, found.spec_hash)
        evidence = _evidence(settings, state, found, spec, at)
        outcome = policy.decide(evidence, spec.retraining)
        made = ledger.decide(
            state,
            Decision(
                id=f"decision-{window}",
                model=found.model,
                window=window,
                retrain=outcome.retrain,
                reasons=list(outcome.reasons),
                evidence=evidence.to_json(),
                report_url=found.report_url,
                state=_state(outcome.retrain, spec),
                decided_at=at,
            ),
        )
        log.info("decided decision=%s retrain=%s state=%s", made.id, made.retrain, made.state)
    return DecisionResult(id=made.id, retrain=made.retrain, reasons=made.reasons, state=made.state)


def open_requests(settings: Settings, model: str) -> list[dict[str, Any]]:
    """Decisions that ask for a training and that nobody is working on, oldest first: `id`, `reasons`, `report`."""
    found = ledger.open_decisions(State.open(settings), model, at=datetime.now(UTC))
    return [{"id": one.id, "reasons": one.reasons, "report": one.report_url} for one in found]


def _state(retrain: bool, spec: ModelSpec) -> str:
    if not retrain:
        return "no"
    return "recorded" if spec.retraining.mode == "off" else "open"


def _window(state: State, window: str) -> Window:
    try:
        return ledger.window(state, window)
    except NoResultFound:
        raise CallError(f"no window {window!r} was taken; `take_window` names the one to measure") from None


def _training(state: State, model: str, version: int) -> Training:
    found = trainings.of_version(state, model, version)
    if found is None:
        raise UnknownVersion(f"no training run of {model} made version {version}, so its reference rows are unknown; train it again")
    return found


def _watched_spec(state: State, window: Window) -> ModelSpec:
    """The window's declaration with the columns and the task that its champion learnt: those are what it sees.

    `model.yaml` may have changed since; its new columns matter from the next training on.
    """
    declared = specs.recall(state, window.spec_hash)
    learnt = specs.recall(state, _training(state, window.model, window.champion).spec_hash)
    return declared.model_copy(update={name: getattr(learnt, name) for name in ("task", "target", "positive", "features")})


def _period(table: "AcceptedTable", spec: ModelSpec, *, start: int, end: int) -> tuple[datetime | None, datetime | None]:
    """The first and the last `time` of the window's rows; None where there is none."""
    if spec.time is None:
        return None, None
    times = table.read(version=end, after_version=start, columns=[spec.time])[spec.time].dropna()
    return (None, None) if times.empty else (times.min().to_pydatetime(), times.max().to_pydatetime())


def _drift_result(drifts: list[Drift]) -> DriftResult:
    shown = {one.column: ColumnDrift.model_validate(one, from_attributes=True) for one in drifts}
    kinds = {one.kind: shown[one.column] for one in drifts}
    features = [one for one in drifts if one.kind not in NOT_FEATURES]
    return DriftResult(
        share=sum(one.drifted for one in features) / len(features) if features else None,
        columns={one.column: shown[one.column] for one in features},
        target=kinds.get("target"),
        prediction=kinds.get("prediction"),
    )


def _evidence(settings: Settings, state: State, window: Window, spec: ModelSpec, at: datetime) -> "Evidence":
    from ml.data.table import AcceptedTable
    from ml.policy import Evidence

    drifts, qualities = ledger.measurement(state, window.id)
    watched = _watched_spec(state, window)
    trained = _training(state, window.model, window.champion)
    labels = AcceptedTable.of(settings, window.model, watched).read(
        version=window.end_version, after_version=trained.dataset_version, columns=[watched.target], labels_as_of=window.as_of
    )[watched.target]
    asked = trainings.last_asked_at(state, window.model)
    champion = trainings.champion(state, window.model)
    quality, no_quality = _quality_change(trained, qualities, window, metric=watched.metric, least=spec.monitoring.minimum_rows)
    return Evidence(
        drifts=tuple(one for one in drifts if one.kind not in NOT_FEATURES),
        quality=quality,
        no_quality=no_quality,
        labelled_rows=int(labels.notna().sum()),
        since_asked=at - asked if asked is not None else None,
        newer_champion=champion.version if champion is not None and champion.version != window.champion else None,
    )


def _quality_change(
    trained: Training, qualities: list[Quality], window: Window, *, metric: str, least: int
) -> tuple["QualityChange | None", str]:
    """The metric now and at promotion, or None and why: a handful of labelled rows tells nothing."""
    from ml.policy import QualityChange

    labelled = window.labelled_rows or 0
    if labelled < least:
        return None, f"{labelled} labelled rows in the window, {least} (monitoring.minimum_rows) are needed to judge"
    now = {one.metric: one for one in qualities}.get(metric)
    if now is None:
        return None, f"{metric} is not defined on the {labelled} labelled rows of the window (all of one class?)"
    before = metric_at_promotion(trained, metric)
    if before is None:
        return None, f"the {metric} of version {window.champion} at its promotion is not known"
    return QualityChange(metric=metric, now=now.value, at_promotion=before, rows=now.rows), ""


def metric_at_promotion(trained: Training, metric: str) -> float | None:
    """The metric that the version was promoted with, on rows that it was not fitted on; None if its verdict has none."""
    value = (trained.verdict or {}).get("challenger", {}).get(metric)
    return float(value) if value is not None else None
