"""What is measured of a window beside drift and plain quality: estimates with their audit, concept drift, shadow, ranking, segments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ml.jobs import audited, estimating, promised, segments, shadow_fit, tested_rows, usual_quality
from ml.jobs import said as saying
from ml.jobs.estimating import Subject
from ml.jobs.labels_seen import Counts
from ml.monitoring import ranking, report_sections
from ml.monitoring.concept import ConceptDrift
from ml.monitoring.estimated.audit import Audit
from ml.monitoring.estimated.values import Estimated
from ml.monitoring.ranking import Ranked
from ml.monitoring.report_sections import Section
from ml.monitoring.segments import Segment
from ml.monitoring.shadowed import Shadow
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, estimates
from ml.state.records import Drift
from ml.training import paired
from ml.training.evaluation import Predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is known of the rows that are looked at: the window's, then the late ones whose labels are new.

    Attributes:
        beside: Target and the columns of `columns`; the target is missing where no label is known.
        own: How many of them are the window's.
        said: What the champion says of all of them.
        compared: What is compared with the predictions on the test rows, of the window's own: the tested model's words, if it was kept.
        judged: The labelled ones, as `ml.jobs.judged.judge` has them.
        late: The keys of the late ones.
        labels: How many labels the window knows.
        ask: What another model says of all of them.
    """

    beside: pd.DataFrame
    own: int
    said: Predicted
    compared: Predicted
    judged: pd.DataFrame
    late: pd.MultiIndex
    labels: Counts
    ask: Callable[[Any], Predicted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What was found. `ranked` names the feature columns, the one first whose drift probably hurts most.

    `intervals`: metric → its 95 % interval on the labelled rows. `labels`: how many labels the window knows.
    """

    estimated: Estimated
    audit: Audit
    concept: ConceptDrift
    ranked: Sequence[Ranked]
    labels: Counts
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    segments: Sequence[Segment] = field(default_factory=tuple)
    shadow: Shadow | None = None

    def more(self) -> dict[estimates.Kind, Any]:
        """What is kept beside the estimates, as JSON types."""
        return {
            "concept": self.concept.to_json(),
            "ranking": [asdict(one) for one in self.ranked],
            "segments": [one.to_json() for one in self.segments],
            "intervals": {name: list(one) for name, one in self.intervals.items()},
            "labels": asdict(self.labels),
        }

    def sections(self, spec: ModelSpec) -> list[Section]:
        """What the page's head says of it."""
        found = [
            report_sections.estimated(self.estimated, self.audit),
            report_sections.concept(self.concept),
            report_sections.ranking(self.ranked),
        ]
        if self.shadow is not None:
            found.insert(2, report_sections.shadow(self.shadow))
        if self.segments:
            found.append(report_sections.segments(self.segments, metric=spec.metric, least=spec.evaluation.minimum_slice_rows))
        return found


def columns(spec: ModelSpec) -> list[str]:
    """The columns beside the champion's features that are needed of each row: target, time, group and those of the segments."""
    named = (spec.target, spec.time, spec.group, *spec.evaluation.slices)
    return list(dict.fromkeys(name for name in named if name is not None))


def measure(settings: Settings, state: State, subject: Subject, rows: Rows, *, learnt: ModelSpec, drifts: Sequence[Drift]) -> Beyond:
    """Measures all of it and stores it, estimates of earlier windows included whose labels have matured by now.

    A second call, after a kill, stores the same again.

    Args:
        settings: Where tables and MLflow are.
        state: The state database.
        subject: The window and its champion.
        rows: Its rows.
        learnt: The declaration of the champion's training.
        drifts: What was measured of the columns.
    """
    spec, trained = subject.spec, subject.trained
    tested, why = tested_rows.kept(settings, trained, spec=spec, learnt=learnt)
    mine = saying.taken(rows.said, np.arange(rows.own))
    positions = rows.judged.index.to_numpy()
    of_judged, units = saying.taken(rows.said, positions), paired.units(rows.beside.iloc[positions], spec)
    asked = shadow_fit.Asked(judged=rows.judged, said=of_judged, units=units, late=rows.late, ask=rows.ask)
    estimating.mature_earlier(state, subject)
    found = Beyond(
        estimated=estimating.estimate(subject, mine, tested, why),
        audit=audited.of(state, subject.window, spec.metric),
        concept=usual_quality.against_usual(
            state,
            rows.judged,
            of_judged,
            units,
            spec=spec,
            learnt=learnt,
            trained=trained,
            tested=tested,
            at=subject.window.as_of,
            level=promised.level_beside(drifts),
        ),
        ranked=ranking.rank(drifts, {} if tested is None else tested.importances),
        labels=rows.labels,
        intervals=usual_quality.intervals(rows.judged, of_judged, units, spec=spec),
        segments=_segments(spec, rows, tested),
        shadow=shadow_fit.measure(settings, state, subject, asked, learnt=learnt),
    )
    estimates.save(state, subject.window.id, estimating.rows(found.estimated, trained=trained), more=found.more())
    estimating.mature_own(state, subject, rows.beside[spec.target].iloc[: rows.own], mine)
    return found


def _segments(spec: ModelSpec, rows: Rows, tested: tested_rows.HeldOutRows | None) -> list[Segment]:
    if tested is None or not spec.evaluation.slices:
        return []
    return segments.measure(
        spec, beside=rows.beside, own=rows.own, said=rows.said, compared=rows.compared, judged=rows.judged, tested=tested
    )


def ordered(drifts: Sequence[Drift], ranked: Sequence[Ranked]) -> list[Drift]:
    """Target and predictions, then the feature columns as they are ranked: the page draws them in this order."""
    places = {one.column: number for number, one in enumerate(ranked)}
    return sorted(drifts, key=lambda one: places.get(one.column, -1))
