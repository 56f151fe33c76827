"""What the page of a model's history is made from: recorded numbers, and nothing else."""

from dataclasses import dataclass
from datetime import datetime

from ml.monitoring.concept import ConceptDrift
from ml.state.measured import Alarmed
from ml.state.records import Decision, Drift, Promotion


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One metric in a window, with its interval where one is known: `low` to `high`.

    `rows`: on how many labelled rows; None for an estimate, which needs none.
    """

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One window in numbers: how many of its `columns` drifted, `qualities` on labels, `estimates` without."""

    id: str
    number: int
    at: datetime
    champion: int
    rows: int
    labelled_rows: int | None
    is_measured: bool
    columns: int = 0
    drifted: int = 0
    qualities: tuple[Value, ...] = ()
    estimates: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Told):
    """One window. `drifts`: of the columns that the page shows; `alarms`: what drifted, target and predictions too, the farthest first.

    `concept` is the quality against fresh models; `decision` is the newest about the window.
    """

    drifts: tuple[Drift, ...] = ()
    alarms: tuple[Alarmed, ...] = ()
    concept: ConceptDrift | None = None
    decision: Decision | None = None

    @property
    def share(self) -> float | None:
        """The share (0-1) of the compared columns that drifted; None if no column was compared."""
        return self.drifted / self.columns if self.columns else None

    def quality(self, metric: str) -> Value | None:
        """The metric on labelled rows, or None."""
        return next((one for one in self.qualities if one.metric == metric), None)

    def estimate(self, metric: str) -> Value | None:
        """The metric as it was estimated without labels, or None."""
        return next((one for one in self.estimates if one.metric == metric), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of a model since a moment.

    Args:
        model: Whose history.
        metric: The metric that promotion and the quality rule use.
        is_lower_better: Whether a small value of it is good.
        since: The period's beginning,
        until: and its end, the moment of the report.
        windows: The windows that were taken in it, oldest first.
        columns: The feature columns that lay the farthest beyond their thresholds, the farthest first.
        changes: The changes of champion in the period, oldest first.
        decisions: The decisions in the period, oldest first.
        champion: The version that serves at its end.
        drift_limit: From which share (0-1) of drifted columns on the policy asks for a training; None: never for drift alone.
        promise: How many alarms chance may raise, such as `1 per 90d`; empty under fixed thresholds.
    """

    model: str
    metric: str
    is_lower_better: bool
    since: datetime
    until: datetime
    windows: tuple[Seen, ...]
    columns: tuple[str, ...]
    changes: tuple[Promotion, ...]
    decisions: tuple[Decision, ...]
    champion: int | None
    drift_limit: float | None
    promise: str = ""

    @property
    def measured(self) -> tuple[Seen, ...]:
        """The windows that were measured, oldest first."""
        return tuple(one for one in self.windows if one.is_measured)

    @property
    def judged(self) -> tuple[tuple[Seen, Value], ...]:
        """The windows whose labels gave the metric, with it, oldest first."""
        found = ((one, one.quality(self.metric)) for one in self.measured)
        return tuple((one, value) for one, value in found if value is not None)
