"""What the pages are made from, read from the state database alone."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from ml import specfile
from ml.errors import SpecError, UnknownModel
from ml.jobs import audited
from ml.jobs.report import gathered, seen
from ml.monitoring import report_sections
from ml.monitoring.concept import ConceptDrift
from ml.monitoring.estimated.values import Estimate, Estimated
from ml.monitoring.history.facts import Seen
from ml.monitoring.pages import standing
from ml.monitoring.pages.facts import BatchFacts, Comparison, IndexRow, ModelFacts, VersionFacts, WindowFacts
from ml.monitoring.ranking import Ranked
from ml.monitoring.report_sections import Section
from ml.monitoring.segments import Segment
from ml.monitoring.shadowed import Shadow
from ml.settings import Settings
from ml.spec import LOWER_IS_BETTER, METRICS, ModelSpec
from ml.state import State, batches, estimates, history, ledger, newest, overview, replays, specs, trainings
from ml.state.measured import Alarmed, Measured, beyond
from ml.state.records import NOT_FEATURES, Drift, Promotion, Quality, Training, Window
from ml.training.results import GateVerdict

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
MOST_WINDOWS, MOST_VERSIONS, MOST_BATCHES, MOST_DOCS = 200, 100, 20, 500
"""So many are listed at most, the newest."""


def spec_of(settings: Settings, state: State, model: str) -> ModelSpec:
    """The declaration; where the file is broken just now, the one that was used last.

    Raises:
        UnknownModel: It is not declared.
        SpecError: The file is broken, and none was used before.
    """
    try:
        return specfile.load(settings, model)
    except SpecError:
        if (found := specs.newest(state, model)) is not None:
            return found
        raise


def is_declared(settings: Settings, model: str) -> bool:
    """Whether there is such a model."""
    try:
        specfile.spec_path(settings, model)
    except UnknownModel:
        return False
    return True


def index_rows(state: State, models: Sequence[str], *, listed: Collection[str] | None = None) -> list[IndexRow]:
    """A row for each model, in their order. `listed`: only these windows may be led to, None: all."""
    with state.begin() as connection:
        serving = overview.champions(connection, models)
    found = newest.of_models(state, models)
    rows = [_index_row(name, serving.get(name), found.get(name)) for name in models]
    return [replace(row, has_report=listed is None or (row.newest is not None and row.newest.id in listed)) for row in rows]


def _index_row(model: str, serving: Promotion | None, found: newest.Newest | None) -> IndexRow:
    spec: dict[str, Any] = json.loads(found.spec) if found is not None else {}
    metric = (spec.get("promotion") or {}).get("metric") or {"regression": "mae", "multiclass": "balanced_accuracy"}.get(
        spec.get("task", ""), METRICS["binary"][0]
    )
    shown = None if found is None else seen(found.window, found.measured, decision=found.decision)
    champion = None if serving is None else serving.version
    limit = (spec.get("retraining") or {}).get("drift_share")
    return IndexRow(
        model=model,
        champion=champion,
        since=None if serving is None else serving.at,
        newest=shown,
        metric=metric,
        meaning=standing.of_newest(model, shown, champion=champion, drift_limit=limit),
    )


def model_facts(settings: Settings, state: State, model: str, *, after: datetime = BEGINNING, at: datetime) -> ModelFacts:
    """All that the page of a model shows of the time since a moment."""
    spec = spec_of(settings, state, model)
    recent = ledger.recent_windows(state, model, limit=MOST_WINDOWS + 1)
    since = max(after, recent[MOST_WINDOWS].as_of) if len(recent) > MOST_WINDOWS else after
    shown = gathered(state, spec, after=since, until=at, by_column=False)
    docs = documented(state, model, after=after, limit=MOST_BATCHES)
    return ModelFacts(
        history=shown,
        description=spec.description,
        owner=spec.owner,
        left_out=history.count(state, model, after=after) - len(shown.windows) if since > after else 0,
        versions=tuple(versions(state, model, after=after)),
        batches=tuple(docs),
        quarantined=batches.count(state, model, status="quarantined"),
        has_docs=any(one.page for one in docs),
        has_replay=replays.newest(state, model) is not None,
    )


def documented(state: State, model: str, *, after: datetime = BEGINNING, limit: int = MOST_DOCS) -> list[BatchFacts]:
    """The newest deliveries since a moment, the newest first."""
    return [
        BatchFacts(
            id=one.id,
            at=one.arrived_at,
            source=one.source,
            status=one.status,
            rows=one.rows,
            failing_rows=one.failing_rows,
            reasons=tuple(one.reasons),
            page=None if one.docs_url is None else PurePath(one.docs_url).name,
        )
        for one in batches.newest(state, model, after=after, limit=limit)
    ]


def versions(state: State, model: str, *, after: datetime = BEGINNING) -> list[VersionFacts]:
    """The newest versions that were trained since a moment, and the one that serves, the newest first."""
    made = [one for one in trainings.recent(state, model, limit=2 * MOST_VERSIONS) if one.version is not None]
    changes = trainings.promotion_history(state, model)
    found = [_version(one, changes) for one in made]
    return [one for one in found if one.made_at > after or one.is_champion][:MOST_VERSIONS]


def version(state: State, model: str, number: int) -> VersionFacts | None:
    """One version, or None."""
    made = trainings.of_version(state, model, number)
    return None if made is None else _version(made, trainings.promotion_history(state, model))


def _version(made: Training, changes: Sequence[Promotion]) -> VersionFacts:
    served, ended = [], ""
    for one, then in zip(changes, [*changes[1:], None], strict=True):
        if one.version == made.version:
            served.append((one.at, None if then is None else then.at))
            ended = "" if then is None else _ended(then)
    known: dict[str, Any] = {"served": tuple(served), "ended": ended}
    if made.verdict is not None:
        known |= _judged(GateVerdict.model_validate(made.verdict))
    return VersionFacts(model=made.model, version=made.version or 0, made_at=made.started_at, reason=made.reason, state=made.state, **known)


def _ended(then: Promotion) -> str:
    if then.kind == "rollback":
        return f"{then.by} rolled it back to version {then.version}"
    return f"version {then.version} replaced it"


def _judged(verdict: GateVerdict) -> dict[str, Any]:
    found, metric = verdict.comparison, verdict.metric
    paired = verdict.champion_version is not None and found is not None
    return {
        "verdict": verdict.sentence,
        "wins": verdict.wins,
        "metric": metric,
        "value": verdict.challenger.get(metric, verdict.metrics.get(metric)),
        "rows": verdict.rows,
        "former": verdict.champion_version,
        "former_value": (verdict.champion or {}).get(metric),
        "baseline": verdict.baseline.get(metric),
        "warnings": tuple(verdict.warnings),
        "comparison": Comparison(gain=found.gain, low=found.low, high=found.high, confidence=found.confidence)
        if paired and found is not None
        else None,
        "has_card": True,
    }


def window_facts(state: State, window: Window, *, plots: bool, listed: Collection[str] | None = None) -> WindowFacts:
    """One window in full. `plots`: whether Evidently's can be opened; `listed`: only these windows may be led to, None: all."""
    spec = specs.recall(state, window.spec_hash)
    drifts, qualities = ledger.measurement(state, window.id)
    crowned = trainings.champion(state, window.model)
    before = ledger.recent_windows(state, window.model, limit=1, until=window.number - 1)
    after = ledger.find_window(state, f"{window.model}-{window.number + 1:06d}")
    beside = [one.id if one is not None and (listed is None or one.id in listed) else None for one in (next(iter(before), None), after)]
    return WindowFacts(
        model=window.model,
        seen=_measured(state, window, drifts, qualities),
        metric=spec.metric,
        is_lower_better=spec.metric in LOWER_IS_BETTER,
        drift_limit=spec.retraining.drift_share,
        promise="" if spec.monitoring.false_alarms is None else str(spec.monitoring.false_alarms),
        drifts=tuple(drifts),
        sections=_sections(state, window, spec),
        happened=None if window.start_time is None or window.end_time is None else (window.start_time, window.end_time),
        champion=None if crowned is None else crowned.version,
        before=beside[0],
        after=beside[1],
        plots=plots,
    )


def _measured(state: State, window: Window, drifts: Sequence[Drift], qualities: Sequence[Quality]) -> Seen:
    features = [one for one in drifts if one.kind not in NOT_FEATURES]
    drifted = sorted((one for one in drifts if one.drifted), key=beyond, reverse=True)
    found = Measured(
        columns=len(features),
        drifted=sum(one.drifted for one in features),
        alarms=tuple(Alarmed(one.column, one.kind) for one in drifted),
        qualities=tuple(qualities),
        intervals=estimates.detail(state, window.id, "intervals") or {},
        concept=estimates.detail(state, window.id, "concept"),
    )
    decision = ledger.decision_for(state, window.id)
    return seen(window, found, drifts=drifts, estimates=estimates.of_window(state, window.id), decision=decision)


def _sections(state: State, window: Window, spec: ModelSpec) -> list[Section]:
    """What else was measured, as the head of Evidently's page says it."""
    found = []
    if (guessed := estimates.of_window(state, window.id)) and guessed[0].method in {"cbpe", "dle"}:
        kept = ("metric", "value", "sampling_error", "model_error", "low", "high", "why")
        of = guessed[0]
        estimated = Estimated(
            method=of.method,  # type: ignore[arg-type]
            rows=of.rows,
            reference_rows=of.reference_rows,
            confidence=of.confidence,
            metrics=tuple(Estimate(**{name: getattr(one, name) for name in kept}) for one in guessed),
        )
        found.append(report_sections.estimated(estimated, audited.of(state, window, spec.metric)))
    if (concept := estimates.detail(state, window.id, "concept")) is not None:
        found.append(report_sections.concept(ConceptDrift(**concept)))
    if (shadow := estimates.detail(state, window.id, "shadow")) is not None:
        found.append(report_sections.shadow(Shadow(**shadow)))
    if ranking := estimates.detail(state, window.id, "ranking"):
        found.append(report_sections.ranking([Ranked(**one) for one in ranking]))
    if segments := estimates.detail(state, window.id, "segments"):
        made = [Segment(**one) for one in segments]
        found.append(report_sections.segments(made, metric=spec.metric, least=spec.evaluation.minimum_slice_rows))
    return found
