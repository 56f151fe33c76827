"""What an estimate of quality without labels says: frozen, JSON-able values."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

CONFIDENCE = 0.95
_RANGES = {"mae": (0.0, math.inf), "rmse": (0.0, math.inf), "log_loss": (0.0, math.inf), "r2": (-math.inf, 1.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a metric of a window will probably be once its labels are known; in the metric's own unit and sign.

    Attributes:
        metric: One of `ml.spec.METRICS`.
        value: None where it cannot be estimated: `why` says why.
        sampling_error: The standard deviation of the window's own labels around what is expected of them.
        model_error: The standard error of what is expected: calibration, or the model of the loss, is fitted on few rows as well.
        low: The lower end of the interval that the measured metric should fall into.
        high: The upper end.
        why: Empty where there is a value.
    """

    metric: str
    value: float | None
    sampling_error: float | None = None
    model_error: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """The estimates of one window, in the order of `ml.spec.METRICS`.

    `method`: cbpe (confidence-based, classes) or dle (direct loss estimation, numbers). `rows`: of the window; `reference_rows`: labelled
    rows that the estimates rest on. `confidence`: how often the measured metrics should fall into their intervals, 0-1.
    """

    method: Literal["cbpe", "dle"]
    rows: int
    reference_rows: int
    confidence: float
    metrics: tuple[Estimate, ...]

    def of(self, metric: str) -> Estimate | None:
        """The estimate of one metric; None where the task does not know it."""
        return next((one for one in self.metrics if one.metric == metric), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {**asdict(self), "metrics": [asdict(one) for one in self.metrics]}


def without_value(metric: str, why: str) -> Estimate:
    """The estimate that there is none, and why."""
    return Estimate(metric=metric, value=None, why=why)


def with_interval(metric: str, value: float, *, sampling_error: float, model_error: float, confidence: float) -> Estimate:
    """A normal interval from both errors, which are independent of each other, within the metric's range."""
    low, high = interval(metric, value, error=math.hypot(sampling_error, model_error), confidence=confidence)
    return Estimate(metric=metric, value=value, sampling_error=sampling_error, model_error=model_error, low=low, high=high)


def interval(metric: str, value: float, *, error: float, confidence: float) -> tuple[float, float]:
    """`value` plus and minus a normal quantile of standard errors, cut where the metric's range ends."""
    from scipy.special import ndtri

    half = float(ndtri((1 + confidence) / 2)) * error
    return within_range(metric, value - half, value + half)


def within_range(metric: str, low: float, high: float) -> tuple[float, float]:
    """An interval of a metric of `ml.spec.METRICS`, cut where the metric's range ends."""
    least, most = _RANGES.get(metric, (0.0, 1.0))
    return max(low, least), min(high, most)
