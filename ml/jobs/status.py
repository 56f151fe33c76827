"""How each model stands: champion, last window, open decisions, quarantine."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.jobs.beyond_results import ConceptResult, EstimatedResult, estimated
from ml.jobs.champion import heal_missed
from ml.jobs.history import WatchStatus, watch_status
from ml.jobs.reconcile import Failure, OpenRequest, Suggestion, failure, requests, suggested
from ml.monitoring.replayed.facts import ReplayFacts
from ml.settings import Settings
from ml.state import State, approvals, batches, estimates, ledger, replays, trainings, watches
from ml.state.measured import beyond
from ml.state.records import NOT_FEATURES

_SHOWN_DECISIONS = 5


class ChampionStatus(BaseModel):
    """Who serves, and since when; `watch`: how it does beside the version that it replaced, with the realised gain."""

    version: int
    since: datetime
    by: str
    reason: str
    dataset_version: int | None
    watch: WatchStatus | None = None


class WindowStatus(BaseModel):
    """The newest window and what was seen in it. `drift_share` is 0-1.

    `columns`: how many feature columns were compared; `drifted`: which of them have drifted, the farthest first; `also_drifted`: which of
    "target" and "prediction" have.
    """

    number: int
    rows: int
    labelled_rows: int | None
    start_time: datetime | None
    end_time: datetime | None
    measured_at: datetime | None
    drift_share: float | None
    columns: int = 0
    drifted: list[str] = []
    also_drifted: list[str] = []
    quality: dict[str, float]
    estimated: EstimatedResult | None
    concept: ConceptResult | None
    retrain: bool | None
    reasons: list[str]
    report: str | None


class TrainingStatus(BaseModel):
    """The newest training; one that waits for a person says until when."""

    state: str
    version: int | None
    dataset_version: int
    reason: str
    started_at: datetime
    finished_at: datetime | None
    awaits_approval_until: datetime | None = None


class DecisionStatus(BaseModel):
    """One of the newest decisions. `kind`: `retrain` or `rollback`; `outcome`: how it ended, as the ledger has it."""

    id: str
    kind: str
    window: str | None
    policy: str
    state: str
    retrain: bool
    decided_at: datetime
    reasons: list[str]
    tries: int
    failures: list[dict[str, Any]]
    answer: dict[str, Any] | None
    outcome: dict[str, Any] | None


class ReplayStatus(BaseModel):
    """The newest replay of the model's history, what it recommends, and what a person said to that in Airflow, if one was asked."""

    at: datetime
    windows: int
    recommended: str
    recommendation: str
    html: str | None
    answer: dict[str, Any] | None = None


class ModelStatus(BaseModel):
    """How one model stands."""

    model_config = ConfigDict(protected_namespaces=())

    model: str
    declared: bool
    batches: dict[str, int]
    dataset_version: int | None
    champion: ChampionStatus | None
    last_training: TrainingStatus | None
    last_window: WindowStatus | None
    open_decisions: list[OpenRequest]
    suggestions: list[Suggestion] = []
    failures: list[Failure] = []
    decisions: list[DecisionStatus] = []
    replay: ReplayStatus | None = None


class Status(BaseModel):
    """How all models stand, by name."""

    models: list[ModelStatus]


def status(settings: Settings, model: str | None = None) -> Status:
    """Reads how one model stands, or each declared one; `UnknownModel` for a name that is not declared.

    Changes nothing, but that MLflow's aliases follow a change of champion that was killed before they did.
    """
    if model is not None:
        specfile.spec_path(settings, model)
    names = [model] if model is not None else specfile.model_names(settings)
    state = State.open(settings)
    now = datetime.now(UTC)
    for name in names:
        heal_missed(settings, name)
    return Status(models=[_of(state, settings, name, now) for name in names])


def _of(state: State, settings: Settings, model: str, now: datetime) -> ModelStatus:
    found = batches.listed(state, model)
    counts = {"accepted": 0, "quarantined": 0}
    for batch in found:
        counts[batch.status] = counts.get(batch.status, 0) + 1
    versions = [batch.dataset_version for batch in found if batch.dataset_version is not None]
    return ModelStatus(
        model=model,
        declared=specfile.inspect(specfile.spec_path(settings, model))[0] is not None,
        batches=counts,
        dataset_version=max(versions, default=None),
        champion=_champion(state, model),
        last_training=_training(state, model),
        last_window=_window(state, model),
        open_decisions=requests(state, model, at=now),
        suggestions=suggested(state, model, at=now),
        failures=[failure(one) for one in ledger.standing_failures(state, model)],
        decisions=[
            DecisionStatus.model_validate(one, from_attributes=True)
            for one in ledger.recent_decisions(state, model, limit=_SHOWN_DECISIONS)
        ],
        replay=_replay(state, model),
    )


def _champion(state: State, model: str) -> ChampionStatus | None:
    crowned = trainings.champion(state, model)
    if crowned is None:
        return None
    made_by = trainings.of_version(state, model, crowned.version)
    watch = watches.find(state, crowned.number)
    return ChampionStatus(
        version=crowned.version,
        since=crowned.at,
        by=crowned.by,
        reason=crowned.reason,
        dataset_version=made_by.dataset_version if made_by else None,
        watch=watch_status(watch) if watch is not None else None,
    )


def _training(state: State, model: str) -> TrainingStatus | None:
    waiting = {one.training: one.until for one in approvals.waiting(state, model)}
    for one in trainings.recent(state, model, limit=1):
        return TrainingStatus(
            state=one.state,
            version=one.version,
            dataset_version=one.dataset_version,
            reason=one.reason,
            started_at=one.started_at,
            finished_at=one.finished_at,
            awaits_approval_until=waiting.get(one.key),
        )
    return None


def _replay(state: State, model: str) -> ReplayStatus | None:
    found = replays.newest(state, model)
    if found is None:
        return None
    told = ReplayFacts.model_validate(found.result)
    return ReplayStatus(
        at=found.at,
        windows=told.windows,
        recommended=told.chosen.recommended.name,
        recommendation=told.recommendation,
        html=told.html,
        answer=found.answer,
    )


def _window(state: State, model: str) -> WindowStatus | None:
    window = ledger.last_window(state, model)
    if window is None:
        return None
    drifts, qualities = ledger.measurement(state, window.id)
    features = [one for one in drifts if one.kind not in NOT_FEATURES]
    farthest = sorted((one for one in features if one.drifted), key=beyond, reverse=True)
    decision = ledger.decision_for(state, window.id)
    return WindowStatus(
        number=window.number,
        rows=window.rows,
        labelled_rows=window.labelled_rows,
        start_time=window.start_time,
        end_time=window.end_time,
        measured_at=window.measured_at,
        drift_share=len(farthest) / len(features) if features else None,
        columns=len(features),
        drifted=[one.column for one in farthest],
        also_drifted=[one.kind for one in drifts if one.kind in NOT_FEATURES and one.drifted],
        quality={one.metric: one.value for one in qualities},
        estimated=estimated(state, window),
        concept=estimates.detail(state, window.id, "concept"),
        retrain=decision.retrain if decision else None,
        reasons=decision.reasons if decision else [],
        report=window.report_url,
    )
