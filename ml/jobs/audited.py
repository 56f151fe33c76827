"""How well a champion's estimates did in earlier windows: from the state database alone, without a heavy library."""

from ml.monitoring.estimated.audit import Audit, Matured, audit, matured
from ml.monitoring.estimated.values import Estimate, Estimated
from ml.state import State, estimates
from ml.state.estimates import OfWindow
from ml.state.records import Window


def history(state: State, window: Window, metric: str) -> list[Matured]:
    """The estimates of a metric in earlier windows of the window's champion beside what was measured by this one's look, oldest first."""
    before = estimates.of_champion(state, window.model, champion=window.champion, metric=metric, before=window.number)
    known = (found for found in before if found.estimate.matured_at is not None and found.estimate.matured_at <= window.as_of)
    return [one for found in known if (one := _matured(found)) is not None]


def of(state: State, window: Window, metric: str) -> Audit:
    """How well the champion's estimates did in the windows before this one."""
    return audit(history(state, window, metric))


def _matured(found: OfWindow) -> Matured | None:
    one = found.estimate
    if one.measured is None or not one.labelled_rows or one.at_promotion is None:
        return None
    estimate = Estimate(
        metric=one.metric, value=one.value, sampling_error=one.sampling_error, model_error=one.model_error, low=one.low, high=one.high
    )
    estimated = Estimated(
        method=one.method,  # type: ignore[arg-type]
        rows=one.rows,
        reference_rows=one.reference_rows,
        confidence=one.confidence,
        metrics=(estimate,),
    )
    facts = {"measured": one.measured, "at_promotion": one.at_promotion}
    return matured(found.window.id, estimated, one.metric, labelled_rows=one.labelled_rows, **facts)
