"""How well estimates of quality did once the labels were known: nothing may be decided on them before.

Estimates without labels assume that the same features still lead to the same labels. On elec2, where they do not, the error of estimated
accuracy is larger than that of assuming that the champion is as good as on its test rows. The labels say so, only later.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ml.monitoring.estimated.values import Estimated, interval
from ml.wording import percent

LAST, FEWEST, NEEDED_SHARE = 10, 5, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Matured:
    """An estimate of one metric in one window, and what it turned out to be.

    Attributes:
        window: The window's name.
        metric: One of `ml.spec.METRICS`.
        estimated: The value that was estimated without labels.
        low: The lower end of its interval, for the rows whose labels are known now.
        high: The upper end.
        measured: The metric on the matured labels.
        at_promotion: The metric on the champion's test rows: what assuming nothing would have said.
    """

    window: str
    metric: str
    estimated: float
    low: float
    high: float
    measured: float
    at_promotion: float

    def __post_init__(self) -> None:
        if broken := [name for name in ("estimated", "low", "high", "measured", "at_promotion") if not math.isfinite(getattr(self, name))]:
            raise ValueError(f"{self.metric} of window {self.window}: {', '.join(broken)} is not a finite number; leave it out and say why")

    @property
    def inside(self) -> bool:
        """Whether the measured metric fell into the interval, its ends included."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the newest matured estimates say of the estimator, in the metric's unit; None where there is no such window.

    `share_inside` is 0-1. `trusted`: the estimates may feed a decision; `sentence` says why, or why not.
    """

    windows: int
    share_inside: float | None
    mean_absolute_error: float | None
    mae_of_assuming_nothing: float | None
    trusted: bool
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self)


def matured(window: str, estimated: Estimated, metric: str, *, measured: float, labelled_rows: int, at_promotion: float) -> Matured | None:
    """One window's estimate beside its matured labels; None where the metric was not estimated.

    With labels for a part of the rows the measured metric strays more by chance than that of all rows: the interval is widened for that.
    They must be the labels of rows of a certain age, not those that happened to come early.

    Args:
        window: The window's name.
        estimated: What was estimated of it.
        metric: Which of the metrics.
        measured: The metric on the rows with labels, finite.
        labelled_rows: How many these are, at least 1.
        at_promotion: The metric on the champion's test rows.
    """
    found = estimated.of(metric)
    if found is None or found.value is None or found.sampling_error is None or found.model_error is None:
        return None
    low, high = found.low, found.high
    if labelled_rows < estimated.rows or low is None or high is None:
        error = math.hypot(found.sampling_error * math.sqrt(estimated.rows / labelled_rows), found.model_error)
        low, high = interval(metric, found.value, error=error, confidence=estimated.confidence)
    return Matured(window=window, metric=metric, estimated=found.value, low=low, high=high, measured=measured, at_promotion=at_promotion)


def audit(history: Sequence[Matured], *, last: int = LAST, fewest: int = FEWEST, needed_share: float = NEEDED_SHARE) -> Audit:
    """Whether estimates of one metric by one champion may be trusted: the one definition of trust.

    Enough of them have met their labels, enough of those held what was measured, and on the mean they were not farther from it than
    the metric on the test rows was: an interval can be wide enough to hold everything.

    Args:
        history: Matured estimates, the oldest first.
        last: So many of the newest count.
        fewest: With fewer there is no trust yet.
        needed_share: So many of them must have held the measured metric in their interval, 0-1.

    Raises:
        ValueError: The history mixes metrics.
    """
    if len({one.metric for one in history}) > 1:
        raise ValueError(f"an audit is of one metric, not of {', '.join(sorted({one.metric for one in history}))}")
    seen = list(history)[-last:]
    if not seen:
        why = f"Not trusted: of no earlier window of this champion have the labels come yet, and {fewest} such windows are needed."
        return Audit(windows=0, share_inside=None, mean_absolute_error=None, mae_of_assuming_nothing=None, trusted=False, sentence=why)
    inside = sum(one.inside for one in seen)
    error = math.fsum(abs(one.measured - one.estimated) for one in seen) / len(seen)
    nothing = math.fsum(abs(one.measured - one.at_promotion) for one in seen) / len(seen)
    is_trusted = len(seen) >= fewest and inside >= needed_share * len(seen) - 1e-9 and error <= nothing * (1 + 1e-9)
    said = f"{inside} of {len(seen)} estimates held what was measured later (needed: {percent(needed_share)})"
    said += f"; mean error {error:.4f}, of assuming nothing {nothing:.4f}" + ("" if error <= nothing * (1 + 1e-9) else ", which is smaller")
    if len(seen) < fewest:
        said += f"; {fewest} windows are needed"
    return Audit(
        windows=len(seen),
        share_inside=inside / len(seen),
        mean_absolute_error=error,
        mae_of_assuming_nothing=nothing,
        trusted=is_trusted,
        sentence=f"{'Trusted' if is_trusted else 'Not trusted'}: {said}.",
    )
