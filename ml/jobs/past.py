"""What earlier windows and trainings say about a window: drift before, what is usual, what is new."""

import logging
import statistics
from collections.abc import Iterable, Sequence
from datetime import datetime

from ml.errors import SpecError
from ml.jobs import labels_seen
from ml.monitoring import NOT_FEATURES, looks
from ml.policy import LearnableRows, Usual
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings
from ml.state.records import Drift, Training, Window
from ml.training import champions, dataset
from ml.training.results import verdict_of

log = logging.getLogger(__name__)

LEAST_FRESH = 3
"""With fewer fresh models nothing is "usual" yet."""
MOST_FRESH = 20
_LOOKED_BACK = 100
_NAMED = 3
_FINISHED = frozenset({"promoted", "challenger"})


def share(drifts: Sequence[Drift]) -> float | None:
    """Which share (0-1) of the feature columns drifted; None where none was compared."""
    features = [one for one in drifts if one.kind not in NOT_FEATURES]
    return sum(one.drifted for one in features) / len(features) if features else None


def earlier_shares(state: State, window: Window, *, most: int) -> tuple[float | None, ...]:
    """The drift shares of the champion's measured windows before this one, newest first."""
    if most < 1:
        return ()
    before = [
        one
        for one in ledger.recent_windows(state, window.model, limit=_LOOKED_BACK, until=window.number)
        if one.number < window.number and one.champion == window.champion and one.measured_at is not None
    ]
    return tuple(share(ledger.measurement(state, one.id)[0]) for one in before[:most])


def persisting(drifts: Sequence[Drift]) -> tuple[str, ...] | None:
    """The feature columns that a promise judged and whose alarms persist; None where that was not asked for."""
    said = {one.column: looks.persists(one) for one in drifts if one.kind not in NOT_FEATURES}
    return tuple(name for name, holds in said.items() if holds) if any(holds is not None for holds in said.values()) else None


def usual(state: State, spec: ModelSpec, *, model: str, metric: str, at: datetime) -> Usual | None:
    """What fresh models score on their test rows, as far as was known then; None where `fresh_scores` knows none."""
    return usual_of(metric, [value for _, value in fresh_scores(state, spec, model=model, metric=metric, at=at)])


def usual_of(metric: str, values: Sequence[float]) -> Usual | None:
    """What is usual of fresh models with these values; None as long as they are fewer than `LEAST_FRESH`."""
    if len(values) < LEAST_FRESH:
        return None
    return Usual(metric=metric, value=statistics.median(values), models=len(values), spread=spread(values))


def spread(values: Sequence[float]) -> float:
    """The median distance from the median (MAD), of at least one value."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def fresh_scores(state: State, spec: ModelSpec, *, model: str, metric: str, at: datetime) -> list[tuple[str, float]]:
    """The test value of each of the newest trainings that had ended by then and answer the same question, with its key, newest first.

    None of them as long as they are fewer than `LEAST_FRESH`; those whose declaration this version cannot read are left out, and the log
    warns. The one source of what is usual: the policy takes their median
    (`usual`), and concept drift besides how far a next one may lie from it (`ml.monitoring.concept.usual`).
    """
    scores = [(one, _test_value(one, metric)) for one in trainings.recent(state, model, limit=_LOOKED_BACK, finished_by=at)]
    asked = _questions(state, model, dict.fromkeys(one.spec_hash for one, value in scores if value is not None))
    same = champions.question(spec)
    found = [(one.key, value) for one, value in scores if value is not None and asked.get(one.spec_hash) == same]
    return found[:MOST_FRESH] if len(found) >= LEAST_FRESH else []


def _test_value(training: Training, metric: str) -> float | None:
    """What a training that has come to an end scored on its test rows."""
    verdict = verdict_of(training) if training.state in _FINISHED else None
    value = None if verdict is None else verdict.metrics.get(metric)
    return None if value is None else float(value)


def _questions(state: State, model: str, hashes: Iterable[str]) -> dict[str, tuple[str, str, str | None]]:
    """What declarations ask, by their hash; without those that this version cannot read."""
    found, unread = {}, []
    for one in hashes:
        try:
            found[one] = champions.question(specs.recall(state, one))
        except SpecError:
            unread.append(one)
    if unread:
        named = ", ".join(unread[:_NAMED])
        log.warning("scores left out, declarations of another version model=%s declarations=%d first=%s", model, len(unread), named)
    return found


def last_training(state: State, trained: Training, *, at: datetime) -> Training:
    """The newest training that had come to an end by then, whoever won; at least the champion's."""
    recent = trainings.recent(state, trained.model, limit=_LOOKED_BACK, finished_by=at)
    return next((one for one in recent if one.state in _FINISHED), trained)


def new_rows(settings: Settings, window: Window, *, spec: ModelSpec, last: Training) -> tuple[int | None, str]:
    """How many rows have a final label by this window that had none when the inputs of `last` were frozen; or None and why."""
    whole = spec.model_copy(update={"training": spec.training.model_copy(update={"history_rows": None})})
    version, labels = last.dataset_version, last.labels_version
    try:
        then = dataset.labelled(settings, whole, version=version, as_of=last.as_of, labels_version=labels, columns=())
        now = dataset.labelled(
            settings, whole, version=window.end_version, as_of=window.as_of, columns=(), **labels_seen.version_of(window)
        )
    except FileNotFoundError as error:
        return None, _gone(error)
    return max(0, len(now) - len(then)), ""


def learnable(settings: Settings, window: Window, *, spec: ModelSpec) -> LearnableRows:
    """What a training would learn from, with the labels that the window knows."""
    try:
        frame = dataset.labelled(
            settings, spec, version=window.end_version, as_of=window.as_of, columns=(), **labels_seen.version_of(window)
        )
    except FileNotFoundError as error:
        return LearnableRows(rows=0, needed=dataset.MINIMUM_ROWS, unreadable=_gone(error))
    if spec.task == "regression" or frame.empty:
        return LearnableRows(rows=len(frame), needed=dataset.MINIMUM_ROWS)
    counts = frame[spec.target].astype("string").value_counts()
    return LearnableRows(
        rows=len(frame),
        needed=dataset.MINIMUM_ROWS,
        classes=len(counts),
        rarest=str(counts.index[-1]),
        rarest_rows=int(counts.iloc[-1]),
    )


def _gone(error: FileNotFoundError) -> str:
    return f"rows that a training would learn from are gone ({error}); bring the table's files back"
