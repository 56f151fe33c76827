"""The champion's quality in a window before its labels are known, and how well such estimates did once they were.

A window has matured when all of its rows are older than `label_delay`; where that is not declared, when four of five of its rows have
their label: labels that come early are often not like the others. It is then scored once more, with the labels that the look knows, and
that stays written down: a later correction of a label changes nothing in it.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.data.labels import NO_LABELS
from ml.data.table import AcceptedTable
from ml.jobs import audited, judged, labels_seen
from ml.jobs import said as saying
from ml.jobs.tested_rows import HeldOutRows
from ml.monitoring.estimated import audit as auditing
from ml.monitoring.estimated import classes, numbers
from ml.monitoring.estimated.values import CONFIDENCE, Estimated, without_value
from ml.monitoring.profile_file import positions
from ml.policy import EstimatedQuality
from ml.spec import METRICS, ModelSpec
from ml.state import State, estimates
from ml.state.records import Training, Window, WindowEstimate
from ml.training.evaluation import Predicted
from ml.training.results import verdict_of

log = logging.getLogger(__name__)

MOST_ROWS = 100_000
"""Of a larger window so many rows are drawn to estimate from: what is expected of them moves by less than a thousandth."""
MATURE_SHARE = 0.8
FEWEST_LABELLED = 30
"""With fewer labels a window has nothing to say about its estimate."""
_LOOKED_BACK = 200
_BLOCK_ROWS = 500_000
_AT_ONCE = auditing.LAST
"""So many windows that have matured are scored again in one look; the audit needs no more."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about which rows: the champion, the window, and how to read both."""

    table: AcceptedTable
    champion: Any
    window: Window
    spec: ModelSpec
    trained: Training
    known: set[str]
    """The classes that a binary model's champion learnt."""


def estimate(subject: Subject, said: Predicted, tested: HeldOutRows | None, why: str) -> Estimated:
    """The metrics that the champion probably has on the window.

    Args:
        subject: The window and its champion.
        said: What the champion says of the window's rows, in their order.
        tested: Its test rows; None: `why` says why, and becomes the reason of each metric.
        why: See `tested`.
    """
    spec = subject.spec
    places = positions(len(said.values), MOST_ROWS)
    if tested is None:
        metrics = tuple(without_value(metric, why) for metric in METRICS[spec.task])
        method = "dle" if spec.task == "regression" else "cbpe"
        return Estimated(method=method, rows=len(places), reference_rows=0, confidence=CONFIDENCE, metrics=metrics)  # type: ignore[arg-type]
    drawn = saying.taken(said, places)
    if spec.task == "regression":
        return _of_numbers(subject, drawn, places, tested)
    found = [_of_classes(spec, drawn, tested, units) for units in tested.units.declared()]
    return max(found, key=lambda one: _model_error(one, spec.metric))


def rows(found: Estimated, *, trained: Training) -> list[WindowEstimate]:
    """As it is stored, with what assuming nothing would say."""
    verdict = verdict_of(trained)
    before = {} if verdict is None else verdict.metrics
    facts = {"method": found.method, "rows": found.rows, "reference_rows": found.reference_rows, "confidence": found.confidence}
    return [WindowEstimate(**asdict(one), **facts, at_promotion=before.get(one.metric)) for one in found.metrics]  # type: ignore[arg-type]


def mature_own(state: State, subject: Subject, labels: pd.Series, said: Predicted) -> None:
    """Writes down what the metrics turned out to be in the window itself, if it has matured; its estimates are saved.

    Args:
        state: The state database.
        subject: The window.
        labels: Its labels, missing where there is none yet.
        said: What the champion says of its rows.
    """
    if is_mature(subject.window, labels, spec=subject.spec, by=subject.window):
        _save(state, subject, subject.window, labels, said)


def mature_earlier(state: State, subject: Subject) -> None:
    """Writes down what the metrics turned out to be in earlier windows of the champion that have matured by this one's look.

    That comes before the window's audit, so that the page and the decision know the same.
    """
    window, spec = subject.window, subject.spec
    before = estimates.of_champion(state, window.model, champion=window.champion, metric=spec.metric, before=window.number)
    waiting = [one.window for one in before if one.estimate.matured_at is None]
    for one in list(_mature(subject, waiting))[-_AT_ONCE:]:
        span = {"version": one.end_version, "after_version": one.start_version}
        labels = subject.table.read(**span, columns=[spec.target], **labels_seen.labels_of(window))[spec.target]
        _save(state, subject, one, labels, saying.of_window(subject.champion, subject.table, one, spec=spec))


def is_mature(window: Window, labels: pd.Series, *, spec: ModelSpec, by: Window) -> bool:
    """Whether the labels of a window may speak about its estimate, as of another window's look."""
    labelled = int(labels.notna().sum())
    if labelled < FEWEST_LABELLED or not _is_old_enough(window, spec=spec, by=by):
        return False
    return spec.label_delay is not None or labelled >= MATURE_SHARE * len(labels)


def _is_old_enough(window: Window, *, spec: ModelSpec, by: Window) -> bool:
    if spec.label_delay is None:
        return True
    happened = (window.end_time if spec.time is not None else None) or window.as_of
    return happened + spec.label_delay <= by.as_of


def evidence(state: State, window: Window, *, metric: str, usual: float | None) -> tuple[EstimatedQuality | None, str]:
    """What the policy learns of the window's estimate: always with its audit; or None, and why.

    Args:
        state: The state database.
        window: A measured window.
        metric: Which metric.
        usual: What it is held against.
    """
    found = next((one for one in estimates.of_window(state, window.id) if one.metric == metric), None)
    if found is None:
        return None, "nothing was estimated in this window"
    if found.value is None or found.low is None or found.high is None:
        return None, f"{metric} cannot be estimated: {found.why}"
    if usual is None:
        return None, f"neither a usual {metric} nor that at the champion's promotion is known"
    audit = audited.of(state, window, metric)
    said = EstimatedQuality(
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        usual=usual,
        audit_windows=audit.windows,
        audited_share=audit.share_inside,
        trusted=audit.trusted,
        audit=audit.sentence,
    )
    return said, ""


def _of_numbers(subject: Subject, said: Predicted, places: npt.NDArray[np.int64], tested: HeldOutRows) -> Estimated:
    features = subject.spec.features
    columns = numbers.Columns(numeric=features.numeric, categorical=features.categorical)
    window = numbers.Predictions(features=_features(subject, places), predicted=np.asarray(said.values, dtype=float))
    before = numbers.Predictions(features=tested.features, predicted=np.asarray(tested.said.values, dtype=float))
    return numbers.estimate(before, np.asarray(tested.labels, dtype=float), window, columns=columns)


def _features(subject: Subject, places: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Numeric and categorical features of some of the window's rows. Memory: a piece of the rows at a time."""
    features, window = subject.spec.features, subject.window
    names = [*features.numeric, *features.categorical]
    length = max(1000, saying.PIECE_CELLS // max(len(names), 1))
    span = {"version": window.end_version, "after_version": window.start_version}
    parts, start = [], 0
    for piece in subject.table.pieces(names, **span, rows=length):
        inside = places[(places >= start) & (places < start + len(piece))]
        parts.append(piece.iloc[inside - start])
        start += len(piece)
    return pd.concat(parts, ignore_index=True)


def _of_classes(spec: ModelSpec, said: Predicted, tested: HeldOutRows, units: npt.NDArray[np.intp] | None) -> Estimated:
    positive = None if spec.positive is None else label_text(spec.positive)
    reference = classes.Labelled(scores=_scores(tested.said), labels=np.asarray(tested.labels, dtype=str), units=units)
    return classes.estimate(reference, _scores(said), positive=positive)


def _scores(said: Predicted) -> classes.Scores:
    found = said.probabilities
    named = () if found is None else tuple(str(name) for name in found.columns)
    return classes.Scores(classes=named, said=said.values, probabilities=None if found is None else found.to_numpy(dtype=float))


def _model_error(found: Estimated, metric: str) -> float:
    one = found.of(metric)
    return one.model_error if one is not None and one.model_error is not None else 0.0


def _mature(subject: Subject, waiting: Sequence[Window]) -> Iterator[Window]:
    """Those of the newest windows that are old enough, oldest first, that have matured by the look.

    Memory: the targets of about `_BLOCK_ROWS` rows. A window that is too young, or to which no label can have come, is not read.
    """
    spec, by = subject.spec, subject.window
    block: list[Window] = []
    for one in [one for one in waiting if _is_old_enough(one, spec=spec, by=by)][-_LOOKED_BACK:]:
        if _has_no_label(subject, one):
            continue
        is_apart = bool(block) and one.start_version != block[-1].end_version
        if block and (is_apart or sum(other.rows for other in block) + one.rows > _BLOCK_ROWS):
            yield from _mature_of(subject, block)
            block = []
        block.append(one)
    if block:
        yield from _mature_of(subject, block)


def _mature_of(subject: Subject, block: Sequence[Window]) -> Iterator[Window]:
    """Their targets are read at once, from the first window to the last."""
    spec, by, table = subject.spec, subject.window, subject.table
    first = block[0].start_version
    labels = table.read(version=block[-1].end_version, after_version=first, columns=[spec.target], **labels_seen.labels_of(by))[spec.target]
    for one in block:
        before = 0 if one.start_version == first else table.count(version=one.start_version, after_version=first)
        if is_mature(one, labels.iloc[before : before + one.rows], spec=spec, by=by):
            yield one


def _has_no_label(subject: Subject, window: Window) -> bool:
    """Whether neither the window's rows were delivered with a label nor one has come late, as far as that is known without reading."""
    if subject.window.labels_version != NO_LABELS:
        return False
    batches = subject.table.batches(version=window.end_version, after_version=window.start_version)
    return all(subject.table.footers(batch).present(subject.spec.target) == 0 for batch in batches)


def _save(state: State, subject: Subject, window: Window, labels: pd.Series, said: Predicted) -> None:
    rows, found, _ = judged.judge(subject.spec, labels, said, known=subject.known)
    measured = {one.metric: one.value for one in found}
    estimates.save_matured(state, window.id, measured, labelled_rows=len(rows), at=subject.window.as_of)
    log.info("estimate matured window=%s by=%s labelled=%d", window.id, subject.window.id, len(rows))
