"""What a decision about a window is made from: recorded numbers, and what the ledger says."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from ml.data.table import AcceptedTable
from ml.jobs import estimating, labels_seen, past, usual_quality, window_losses
from ml.jobs.labels_seen import Counts
from ml.monitoring import NOT_FEATURES
from ml.monitoring.concept import ConceptDrift
from ml.policy import Evidence, QualityChange, Usual
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, estimates, ledger, suggestions, trainings
from ml.state.records import Drift, Quality, Training, Window
from ml.training.results import verdict_of
from ml.wording import counted

Measurement = tuple[list[Drift], list[Quality]]
"""What was measured in a window, by column and metric name."""


def gather(
    settings: Settings,
    state: State,
    window: Window,
    *,
    spec: ModelSpec,
    learnt: ModelSpec,
    trained: Training,
    at: datetime,
    measurement: Measurement | None = None,
) -> Evidence:
    """The facts about a measured window, as of `at`; all but what a training would learn from, which only a "yes" needs.

    The same at each call with the same `at`, whatever has happened since.

    Args:
        settings: Where the stores are.
        state: The state database.
        window: The window.
        spec: How to watch: the window's declaration, with what its champion learnt.
        learnt: The declaration of the champion's training.
        trained: The champion's training.
        at: The moment of the decision.
        measurement: Drift and quality of the window; default: what was stored.
    """
    rules = spec.retraining
    drifts, qualities = measurement or ledger.measurement(state, window.id)
    counts = _counts(settings, state, window, spec=spec, trained=trained, is_again=measurement is not None)
    asked = trainings.last_asked_at(state, window.model, by=at)
    champion = trainings.champion(state, window.model, as_of=at)
    usual = past.usual(state, learnt, model=window.model, metric=spec.metric, at=at)
    quality, no_quality = _compared(trained, qualities, counts.fresh, spec=spec, usual=usual)
    if quality is not None:
        quality, no_quality = _with_error(state, window, quality)
    estimated, no_estimate = estimating.evidence(state, window, metric=spec.metric, usual=_baseline(trained, spec=spec, usual=usual))
    last, losses, no_losses = past.last_training(state, trained, at=at), None, ""
    if rules.cost is not None:
        losses, no_losses = window_losses.losses(state, window, spec=spec, trained=trained, last=last, found=usual)
    new_rows, no_new_rows = (None, "") if rules.new_rows is None else past.new_rows(settings, window, spec=spec, last=last)
    spent = [] if rules.budget is None else ledger.asked_since(state, window.model, after=at - rules.budget.period, by=at)
    return Evidence(
        drifts=tuple(one for one in drifts if one.kind not in NOT_FEATURES),
        quality=quality,
        no_quality=no_quality,
        labelled_rows=counts.known,
        **_last_asked(state, window.model, asked, at=at),
        newer_champion=champion.version if champion is not None and champion.version != window.champion else None,
        persisting=past.persisting(drifts),
        earlier_shares=past.earlier_shares(state, window, most=rules.drift_windows.of - 1),
        estimated=estimated,
        no_estimate=no_estimate,
        losses=losses,
        no_losses=no_losses,
        new_rows=new_rows,
        no_new_rows=no_new_rows,
        age=at - last.as_of,
        windows=ledger.windows_since(state, window.model, after=last.as_of, until=window.number),
        asked_ago=tuple(at - one for one in spent),
        window_rows=window.rows if rules.cost is not None and rules.cost.per_error is not None else None,
    )


def _counts(settings: Settings, state: State, window: Window, *, spec: ModelSpec, trained: Training, is_again: bool) -> Counts:
    """The labels that the window knows, as they were counted when it was measured: a count goes through the model's whole history.

    Windows of earlier versions have none, and what is decided again (`is_again`) is told from the tables.
    """
    kept = None if is_again else estimates.detail(state, window.id, "labels")
    if kept is not None:
        return Counts(**kept)
    table = AcceptedTable.of(settings, window.model, spec)
    return labels_seen.seen(table, state, window, spec=spec, trained=trained).counts


def _last_asked(state: State, model: str, training: datetime | None, *, at: datetime) -> dict[str, Any]:
    """How long ago a training was started that a decision asked for, or a person said no to one: whichever was later."""
    refused = suggestions.last_refused(state, model, by=at)
    if refused is not None and (training is None or refused.at > training):
        return {"since_asked": at - refused.at, "refused": refused.state}
    return {"since_asked": at - training if training is not None else None}


def _compared(
    trained: Training, qualities: list[Quality], rows: int, *, spec: ModelSpec, usual: Usual | None
) -> tuple[QualityChange | None, str]:
    """The metric on so many rows and what it is compared with, or None and why: a handful of labelled rows tells nothing."""
    least, metric = spec.monitoring.minimum_rows, spec.metric
    if rows < least:
        return None, f"{counted(rows, 'labelled row')} since it was last judged, {least:,} (monitoring.minimum_rows) are needed to judge"
    now = {one.metric: one for one in qualities}.get(metric)
    if now is None:
        return None, f"{metric} is not defined on the {counted(rows, 'labelled row')} since it was last judged (all of one class?)"
    verdict = verdict_of(trained)
    before = None if verdict is None else verdict.metrics.get(metric)
    if before is None:
        return None, f"the {metric} of version {trained.version} at its promotion is not known"
    baseline = usual if spec.retraining.quality_baseline == "usual" else None
    return QualityChange(metric=metric, now=now.value, at_promotion=float(before), rows=now.rows, usual=baseline), ""


def _baseline(trained: Training, *, spec: ModelSpec, usual: Usual | None) -> float | None:
    """What the metric is held against: as the quality rule has it."""
    if usual is not None and spec.retraining.quality_baseline == "usual":
        return usual.value
    verdict = verdict_of(trained)
    return None if verdict is None else verdict.metrics.get(spec.metric)


def _with_error(state: State, window: Window, quality: QualityChange) -> tuple[QualityChange | None, str]:
    """The change with its standard error, as it was measured with the window; or None and why, where rows cannot tell it from chance.

    Without one (champions whose test rows are not known, windows of an earlier version) the drop alone counts.
    """
    kept = estimates.detail(state, window.id, "concept")
    found = None if kept is None else ConceptDrift(**kept)
    if found is None or found.metric != quality.metric or found.usual is None:
        return quality, ""
    chance = usual_quality.by_chance(found)
    if found.standard_error is None or chance is None:
        return None, found.obstacle
    errors = chance / found.standard_error if found.standard_error > 0 else 2.0
    return replace(quality, error=found.standard_error, errors=errors), ""
