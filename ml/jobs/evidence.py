"""What a decision about a window is made from: recorded numbers, and what the ledger says."""

from dataclasses import replace
from datetime import datetime

from ml.data.casting import label_text
from ml.data.table import AcceptedTable
from ml.jobs import labels_seen, reference_profile
from ml.monitoring import NOT_FEATURES
from ml.policy import Evidence, QualityChange, Sample, error_of_difference
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, trainings
from ml.state.records import Quality, Training, Window
from ml.training.results import verdict_of


def gather(
    settings: Settings, state: State, window: Window, *, spec: ModelSpec, learnt: ModelSpec, trained: Training, at: datetime
) -> Evidence:
    """The facts about a measured window, as of `at`. `spec`: how to watch; `learnt`: the declaration of the champion's training."""
    drifts, qualities = ledger.measurement(state, window.id)
    table = AcceptedTable.of(settings, window.model, spec)
    seen = labels_seen.seen(table, state, window, spec=spec, trained=trained)
    asked = trainings.last_asked_at(state, window.model)
    champion = trainings.champion(state, window.model)
    quality, no_quality = _compared(trained, qualities, seen, metric=spec.metric, least=spec.monitoring.minimum_rows)
    if quality is not None and spec.task == "binary":
        quality = _with_error(settings, quality, seen, learnt=learnt, trained=trained)
    return Evidence(
        drifts=tuple(one for one in drifts if one.kind not in NOT_FEATURES),
        quality=quality,
        no_quality=no_quality,
        labelled_rows=seen.known,
        since_asked=at - asked if asked is not None else None,
        newer_champion=champion.version if champion is not None and champion.version != window.champion else None,
    )


def _compared(
    trained: Training, qualities: list[Quality], seen: labels_seen.Seen, *, metric: str, least: int
) -> tuple[QualityChange | None, str]:
    """The metric now and at promotion, or None and why: a handful of labelled rows tells nothing."""
    rows = len(seen.fresh)
    if rows < least:
        return None, f"{rows} labelled rows since it was last judged, {least} (monitoring.minimum_rows) are needed to judge"
    now = {one.metric: one for one in qualities}.get(metric)
    if now is None:
        return None, f"{metric} is not defined on the {rows} labelled rows since it was last judged (all of one class?)"
    verdict = verdict_of(trained)
    before = None if verdict is None else verdict.metrics.get(metric)
    if before is None:
        return None, f"the {metric} of version {trained.version} at its promotion is not known"
    return QualityChange(metric=metric, now=now.value, at_promotion=float(before), rows=now.rows), ""


def _with_error(
    settings: Settings, quality: QualityChange, seen: labels_seen.Seen, *, learnt: ModelSpec, trained: Training
) -> QualityChange:
    """The change with its standard error, from the numbers of rows and of positives behind both of its sides."""
    positive, labels = label_text(learnt.positive), seen.fresh[learnt.target]
    with reference_profile.kept(settings, trained, learnt=learnt) as reference:
        tested = reference.tested
    now = Sample(value=quality.now, rows=len(labels), positives=int((labels == positive).sum()))
    before = Sample(value=quality.at_promotion, rows=sum(tested.values()), positives=tested.get(positive, 0))
    return replace(quality, error=error_of_difference(quality.metric, now, before))
