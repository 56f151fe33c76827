"""The champion's quality on matured labels against what fresh models usually score.

Never against the champion's own first window: one that was born in a bad moment would never drop.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy.typing as npt
import pandas as pd

from ml.jobs import past
from ml.jobs.tested_rows import HeldOutRows
from ml.monitoring import concept
from ml.monitoring.concept import ConceptDrift, Fresh, Observed
from ml.monitoring.estimated.values import within_range
from ml.spec import METRICS, ModelSpec
from ml.state import State
from ml.state.records import Training
from ml.training import paired
from ml.training.evaluation import Predicted
from ml.training.influence import Undefined, linearise
from ml.training.results import verdict_of
from ml.wording import counted

LEVEL = 0.02275
"""One-sided, two standard errors where rows are many: the drop that the policy takes for more than chance, and concept drift without
a promised rate of false alarms."""


def against_usual(
    state: State,
    judged: pd.DataFrame,
    said: Predicted,
    units: paired.Units,
    *,
    spec: ModelSpec,
    learnt: ModelSpec,
    trained: Training,
    tested: HeldOutRows | None,
    at: datetime,
    level: float | None = None,
) -> ConceptDrift:
    """The concept drift of the declared metric; where nothing can be said, its `obstacle` says why.

    Args:
        state: The state database.
        judged: The labelled rows, as `ml.jobs.judged.judge` has them.
        said: What the champion says of these rows.
        units: Which of them are not independent of each other.
        spec: The window's declaration, with what its champion learnt.
        learnt: The declaration of the champion's training.
        trained: That training.
        tested: The champion's test rows, where they are known.
        at: The moment of the look: later trainings do not change what is usual, so that another try finds the same.
        level: How often chance alone may say "drifted", 0-1: the promise's share; None: `LEVEL`.
    """
    metric, least = spec.metric, spec.monitoring.minimum_rows
    if len(judged) < least:
        why = f"{counted(len(judged), 'labelled row')} since it was last judged, {least:,} (monitoring.minimum_rows) are needed"
        return ConceptDrift(yardstick="fresh", metric=metric, obstacle=why)
    try:
        seen = observed(metric, spec, judged["label"].to_numpy(), said, units)
    except Undefined as why:
        return ConceptDrift(yardstick="fresh", metric=metric, obstacle=f"{metric} is not defined on the labelled rows: {why}")
    yardstick = concept.usual(_fresh(state, spec=spec, learnt=learnt, trained=trained, tested=tested, at=at))
    promised = LEVEL if level is None else level
    found = [concept.against_fresh(metric, one, yardstick, level=promised) for one in seen]
    if spec.time is not None and tested is not None:
        found += [
            concept.against_fresh(metric, replace(seen[0], units=None), yardstick, level=promised, error=error)
            for one in _tested(metric, learnt, tested)[:1]
            if (error := concept.of_stretches(one, len(judged), share=tested.share)) is not None
        ]
    return max(found, key=lambda one: (bool(one.obstacle), by_chance(one) or 0.0))


def by_chance(drift: ConceptDrift) -> float | None:
    """How much worse the metric may look by chance, in its unit: so many standard errors as `LEVEL` takes; None where not known."""
    if drift.standard_error is None or drift.degrees_of_freedom is None:
        return None
    from scipy.special import stdtrit

    return float(stdtrit(drift.degrees_of_freedom, 1 - LEVEL)) * drift.standard_error


def intervals(judged: pd.DataFrame, said: Predicted, units: paired.Units, *, spec: ModelSpec) -> dict[str, tuple[float, float]]:
    """Metric → its 95 % interval on the labelled rows, within its range; the wider one where units are of two kinds.

    Metrics of which the rows cannot tell one are left out. Arguments: `against_usual`.
    """
    found = {}
    for metric in METRICS[spec.task]:
        try:
            sides = [concept.tested(one) for one in observed(metric, spec, judged["label"].to_numpy(), said, units)]
        except Undefined:
            continue
        known = [(one.low, one.high) for one in sides if one.low is not None and one.high is not None]
        if len(known) == len(sides):
            found[metric] = within_range(metric, *max(known, key=lambda one: one[1] - one[0]))
    return found


def observed(metric: str, spec: ModelSpec, labels: npt.NDArray[Any], said: Predicted, units: paired.Units) -> list[Observed]:
    """The metric with the rows' influence, once for each kind of unit that is declared.

    Raises:
        Undefined: The rows do not define it.
    """
    found = linearise(metric, spec, labels, said)
    return [Observed(value=found.value, influence=found.influence, units=codes) for codes in units.declared()]


def _fresh(state: State, *, spec: ModelSpec, learnt: ModelSpec, trained: Training, tested: HeldOutRows | None, at: datetime) -> list[Fresh]:
    """What fresh models scored, the oldest first: the champion's own has its interval. As long as few are known, its own alone."""
    verdict = verdict_of(trained)
    value = None if verdict is None else verdict.metrics.get(spec.metric)
    own = None if value is None else _own(float(value), spec.metric, learnt, tested)
    is_usual = spec.retraining.quality_baseline == "usual"
    scores = past.fresh_scores(state, learnt, model=trained.model, metric=spec.metric, at=at) if is_usual else []
    if not scores:
        return [] if own is None else [own]
    return [own if own is not None and key == trained.key else Fresh(value=score) for key, score in reversed(scores)]


def _own(value: float, metric: str, learnt: ModelSpec, tested: HeldOutRows | None) -> Fresh:
    """The champion's metric on its test rows with the wider of the intervals that their units give."""
    if tested is None:
        return Fresh(value=value)
    sides = [concept.tested(one) for one in _tested(metric, learnt, tested)]
    half = max(((one.high - one.value) for one in sides if one.high is not None), default=None)
    return Fresh(value=value) if half is None else Fresh(value=value, low=value - half, high=value + half)


def _tested(metric: str, learnt: ModelSpec, tested: HeldOutRows) -> list[Observed]:
    """The metric on the test rows, once for each kind of unit; nothing where they do not define it."""
    try:
        return observed(metric, learnt, tested.labels, tested.said, tested.units)
    except Undefined:
        return []
