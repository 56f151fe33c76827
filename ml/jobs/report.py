"""The history of a model as one page, and as numbers: from the state database alone."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass as result

from ml import specfile
from ml.errors import CallError
from ml.monitoring.concept import ConceptDrift
from ml.monitoring.history.facts import History, Seen, Told, Value
from ml.settings import Settings
from ml.spec import LOWER_IS_BETTER, ModelSpec
from ml.spec.types import duration
from ml.state import State, history, trainings
from ml.state.measured import Measured
from ml.state.records import Decision, Drift, Quality, Window, WindowEstimate

log = logging.getLogger(__name__)

PERIOD = "90d"
"""So far back a page goes where nobody says otherwise."""
NAME = "history"
"""The page's name beside the windows' pages."""
_DRAWN_COLUMNS = 15


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


@result(frozen=True, kw_only=True)
class WindowHistory(Told):
    """What was measured in one window. `share` is 0-1; `retrain` is None before a decision."""

    share: float | None
    retrain: bool | None = None
    reasons: list[str] = field(default_factory=list)


class ChangeHistory(_Result):
    """One change of champion. `kind`: `promote` or `rollback`."""

    at: datetime
    version: int
    previous: int | None
    kind: str
    by: str
    reason: str


class Reported(_Result):
    """The history since a moment, oldest first. `page` is where the HTML page was written; `meaning` its first paragraph."""

    model: str
    since: datetime
    until: datetime
    page: str
    meaning: list[str]
    columns: list[str]
    windows: list[WindowHistory]
    changes: list[ChangeHistory]


def report(settings: Settings, model: str, *, since: str = PERIOD, out: Path | None = None) -> Reported:
    """Writes the page of what was measured and decided since so long ago (`90d`): to `out`, or to its own address beside the reports.

    Raises:
        CallError: The period cannot be read, or `out` cannot be written.
    """
    from ml.monitoring.history.page import render
    from ml.monitoring.pages.standing import of_history
    from ml.monitoring.report import save

    spec = specfile.load(settings, model)
    found = gather(State.open(settings), spec, since=period_of(since), until=datetime.now(UTC))
    page = render(found)
    where = save(settings, model=model, window=NAME, page=page) if out is None else _written(out, page)
    log.info("history written model=%s windows=%d page=%s", model, len(found.windows), where)
    return Reported(
        model=model,
        since=found.since,
        until=found.until,
        page=where,
        meaning=of_history(found).sentences,
        columns=list(found.columns),
        windows=[_window(one) for one in found.windows],
        changes=[ChangeHistory.model_validate(one) for one in found.changes],
    )


def gather(state: State, spec: ModelSpec, *, since: timedelta, until: datetime) -> History:
    """What the state database knows of the model in the period of that length that ends at `until`."""
    return gathered(state, spec, after=until - since, until=until)


def gathered(state: State, spec: ModelSpec, *, after: datetime, until: datetime, by_column: bool = True) -> History:
    """The same of the period between two moments; `by_column`: with the farthest columns' drift in each window."""
    crowned = trainings.champion(state, spec.model, as_of=until)
    columns = history.farthest(state, spec.model, after=after, most=_DRAWN_COLUMNS) if by_column else []
    decisions = history.decided(state, spec.model, after=after, evidence=False)
    return History(
        model=spec.model,
        metric=spec.metric,
        is_lower_better=spec.metric in LOWER_IS_BETTER,
        since=after,
        until=until,
        windows=_windows(state, spec.model, after=after, columns=columns, decisions=decisions),
        columns=tuple(columns),
        changes=tuple(one for one in trainings.promotion_history(state, spec.model) if after < one.at <= until),
        decisions=tuple(decisions),
        champion=None if crowned is None else crowned.version,
        drift_limit=spec.retraining.drift_share,
        promise="" if spec.monitoring.false_alarms is None else str(spec.monitoring.false_alarms),
    )


def _windows(state: State, model: str, *, after: datetime, columns: Sequence[str], decisions: Sequence[Decision]) -> tuple[Seen, ...]:
    measured = history.measured(state, model, after=after)
    drifts = history.drifts(state, model, after=after, columns=columns) if columns else {}
    estimates = history.estimates(state, model, after=after)
    decided = {one.window: one for one in decisions if one.window is not None}
    return tuple(
        seen(
            one,
            measured.get(one.id, Measured()),
            drifts=drifts.get(one.id, ()),
            estimates=estimates.get(one.id, ()),
            decision=decided.get(one.id),
        )
        for one in history.taken(state, model, after=after)
    )


def seen(
    window: Window,
    found: Measured,
    *,
    drifts: Iterable[Drift] = (),
    estimates: Iterable[WindowEstimate] = (),
    decision: Decision | None,
) -> Seen:
    """One window as a page shows it."""
    return Seen(
        id=window.id,
        number=window.number,
        at=window.as_of,
        champion=window.champion,
        rows=window.rows,
        labelled_rows=window.labelled_rows,
        is_measured=window.measured_at is not None,
        columns=found.columns,
        drifted=found.drifted,
        drifts=tuple(drifts),
        qualities=tuple(_with_interval(one, *found.intervals.get(one.metric, (None, None))) for one in found.qualities),
        estimates=tuple(
            Value(metric=one.metric, value=one.value, low=one.low, high=one.high)
            for one in estimates
            if one.value is not None and math.isfinite(one.value)
        ),
        alarms=found.alarms,
        concept=None if found.concept is None else ConceptDrift(**found.concept),
        decision=decision,
    )


def _with_interval(one: Quality, low: float | None, high: float | None) -> Value:
    """The metric with the 95 % interval that was measured with it (`ml.jobs.usual_quality.intervals`), if there is one."""
    return Value(metric=one.metric, value=one.value, low=low, high=high, rows=one.rows)


def _window(one: Seen) -> WindowHistory:
    named: dict[str, Any] = {own.name: getattr(one, own.name) for own in fields(WindowHistory) if hasattr(one, own.name)}
    made = one.decision
    return WindowHistory(**named, retrain=None if made is None else made.retrain, reasons=[] if made is None else made.reasons)


def period_of(since: str) -> timedelta:
    """A period as `--since` writes it; `CallError` for anything else."""
    try:
        found = duration(since)
    except (ValueError, OverflowError) as error:
        raise CallError(f"--since {since!r} is no period: {error}") from error
    if not isinstance(found, timedelta) or not timedelta(0) < found < timedelta(days=36_500):
        raise CallError(f"--since {since!r}: write a period of more than nothing and less than a century, such as 90d")
    return found


def _written(out: Path, page: str) -> str:
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CallError(f"--out {out} cannot be written: {error.strerror}") from error
    return str(out.resolve())
