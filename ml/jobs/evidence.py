"""What a decision about a window is made from: recorded numbers, and what the ledger says."""

from dataclasses import replace
from datetime import datetime

from ml.data.casting import label_text
from ml.data.table import AcceptedTable
from ml.jobs import labels_seen, past, reference_profile
from ml.monitoring import NOT_FEATURES
from ml.policy import EstimatedQuality, Evidence, QualityChange, Sample, Usual, error_of_difference
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, trainings
from ml.state.records import Quality, Training, Window
from ml.training.results import verdict_of


def gather(
    settings: Settings,
    state: State,
    window: Window,
    *,
    spec: ModelSpec,
    learnt: ModelSpec,
    trained: Training,
    at: datetime,
    estimated: EstimatedQuality | None = None,
) -> Evidence:
    """The facts about a measured window, as of `at`.

    Args:
        settings: Where the stores are.
        state: The state database.
        window: The window.
        spec: How to watch: the window's declaration, with what its champion learnt.
        learnt: The declaration of the champion's training.
        trained: The champion's training.
        at: The moment of the decision.
        estimated: The champion's quality as it was estimated without labels, with its audit.
    """
    rules = spec.retraining
    drifts, qualities = ledger.measurement(state, window.id)
    seen = labels_seen.seen(AcceptedTable.of(settings, window.model, spec), state, window, spec=spec, trained=trained)
    asked = trainings.last_asked_at(state, window.model)
    champion = trainings.champion(state, window.model)
    usual = past.usual(state, learnt, model=window.model, metric=spec.metric)
    quality, no_quality = _compared(trained, qualities, seen, spec=spec, usual=usual)
    if quality is not None and spec.task == "binary":
        quality = _with_error(settings, quality, seen, learnt=learnt, trained=trained, window_rows=window.rows)
    losses, no_losses = (None, "") if rules.cost is None else past.losses(state, window, spec=spec, trained=trained, found=usual)
    last = past.last_training(state, trained)
    spent = [] if rules.budget is None else ledger.asked_since(state, window.model, after=at - rules.budget.period)
    return Evidence(
        drifts=tuple(one for one in drifts if one.kind not in NOT_FEATURES),
        quality=quality,
        no_quality=no_quality,
        labelled_rows=seen.known,
        since_asked=at - asked if asked is not None else None,
        newer_champion=champion.version if champion is not None and champion.version != window.champion else None,
        persisting=past.persisting(drifts),
        earlier_shares=past.earlier_shares(state, window, most=rules.drift_windows.of - 1),
        estimated=estimated,
        losses=losses,
        no_losses=no_losses,
        new_rows=None if rules.new_rows is None else past.new_rows(settings, window, spec=spec, last=last),
        age=at - trained.as_of,
        windows=ledger.windows_since(state, window.model, after=last.as_of, until=window.number),
        asked_ago=tuple(at - one for one in spent),
        learnable=past.learnable(settings, window, spec=spec),
    )


def _compared(
    trained: Training, qualities: list[Quality], seen: labels_seen.Seen, *, spec: ModelSpec, usual: Usual | None
) -> tuple[QualityChange | None, str]:
    """The metric now and what it is compared with, or None and why: a handful of labelled rows tells nothing."""
    rows, least, metric = len(seen.fresh), spec.monitoring.minimum_rows, spec.metric
    if rows < least:
        return None, f"{rows} labelled rows since it was last judged, {least} (monitoring.minimum_rows) are needed to judge"
    now = {one.metric: one for one in qualities}.get(metric)
    if now is None:
        return None, f"{metric} is not defined on the {rows} labelled rows since it was last judged (all of one class?)"
    verdict = verdict_of(trained)
    before = None if verdict is None else verdict.metrics.get(metric)
    if before is None:
        return None, f"the {metric} of version {trained.version} at its promotion is not known"
    baseline = usual if spec.retraining.quality_baseline == "usual" else None
    return QualityChange(metric=metric, now=now.value, at_promotion=float(before), rows=now.rows, usual=baseline), ""


def _with_error(
    settings: Settings, quality: QualityChange, seen: labels_seen.Seen, *, learnt: ModelSpec, trained: Training, window_rows: int
) -> QualityChange:
    """The change with its standard error, from the numbers of rows and of positives behind both of its sides."""
    positive, labels = label_text(learnt.positive), seen.fresh[learnt.target]
    with reference_profile.kept(settings, trained, learnt=learnt, window_rows=window_rows) as reference:
        tested = reference.tested
    now = Sample(value=quality.now, rows=len(labels), positives=int((labels == positive).sum()))
    before = Sample(value=quality.at_promotion, rows=sum(tested.values()), positives=tested.get(positive, 0))
    return replace(quality, error=error_of_difference(quality.metric, now, before))
