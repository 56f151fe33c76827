"""What is told of a window beside drift and plain quality, from the state database alone."""

from typing import Any

from pydantic import BaseModel

from ml.jobs import audited
from ml.monitoring.estimated.audit import Audit
from ml.monitoring.segments import Segment
from ml.state import State, estimates, specs
from ml.state.records import Window


class EstimateResult(BaseModel):
    """One metric as it was estimated without labels; `why` says why there is no value. `measured`: what the labels said later."""

    value: float | None
    low: float | None
    high: float | None
    why: str
    measured: float | None


class EstimatedResult(BaseModel):
    """The champion's quality in a window as it was estimated without labels. `confidence` (0-1) is that of the intervals."""

    method: str
    rows: int
    reference_rows: int
    confidence: float
    metric: str
    metrics: dict[str, EstimateResult]
    audit: Audit


class ConceptResult(BaseModel):
    """The matured quality against what fresh models usually score; as `ml.monitoring.concept.ConceptDrift`."""

    yardstick: str
    metric: str
    now: float | None
    usual: float | None
    worse_by: float | None
    standard_error: float | None
    degrees_of_freedom: float | None
    units: int
    p: float
    drifted: bool
    obstacle: str


class ShadowResult(BaseModel):
    """The champion beside its recipe fitted anew, on the same rows; as `ml.monitoring.shadowed.Shadow`."""

    metric: str
    rows: int
    learnt_rows: int
    champion: float
    value: float | None
    worse_by: float | None
    standard_error: float | None
    p: float
    fits: int
    why: str


class RankedResult(BaseModel):
    """A feature column: how far it moved in multiples of its threshold, its share of the importances, and the product of both."""

    column: str
    effect: float
    importance: float | None
    score: float | None


class BeyondResult(BaseModel):
    """What was measured beside drift and plain quality; nothing in a window that an earlier version measured."""

    estimated: EstimatedResult | None = None
    concept: ConceptResult | None = None
    shadow: ShadowResult | None = None
    ranking: list[RankedResult] = []
    segments: list[Segment] = []


def facts(state: State, window: Window) -> dict[str, Any]:
    """The fields of a `BeyondResult` for a measured window."""
    return {
        "estimated": estimated(state, window),
        "concept": estimates.detail(state, window.id, "concept"),
        "shadow": estimates.detail(state, window.id, "shadow"),
        "ranking": estimates.detail(state, window.id, "ranking") or [],
        "segments": estimates.detail(state, window.id, "segments") or [],
    }


def estimated(state: State, window: Window) -> EstimatedResult | None:
    """What was estimated of a window, with the audit of the windows before it."""
    found = estimates.of_window(state, window.id)
    if not found:
        return None
    metric = specs.recall(state, window.spec_hash).metric
    first = found[0]
    return EstimatedResult(
        method=first.method,
        rows=first.rows,
        reference_rows=first.reference_rows,
        confidence=first.confidence,
        metric=metric,
        metrics={one.metric: EstimateResult.model_validate(one, from_attributes=True) for one in found},
        audit=audited.of(state, window, metric),
    )
