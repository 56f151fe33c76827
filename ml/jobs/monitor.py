"""One look at the champion: take the window, measure drift and quality, decide.

Each step may be killed and run again: a window that is not decided yet is finished before a new one is taken, and a step that was
done returns what it did. A window that cannot be measured, and that waiting will not cure, is given up, and so is one that has killed, or
outlasted, three tries: the step fails, so that a person learns of it, and a decision "no" with the reason stands in the ledger, so that
the next look takes a new window.
"""

import logging
from datetime import UTC, datetime

from pydantic import BaseModel, Field

from ml import specfile
from ml.errors import CallError
from ml.jobs import windows
from ml.jobs.beyond_results import BeyondResult, facts
from ml.jobs.housekeeping import keep_house
from ml.jobs.look_results import DriftResult, WindowResult, drift_result
from ml.jobs.reconcile import Reconciled, now, reconcile
from ml.jobs.watch import WatchResult, watch
from ml.settings import Settings
from ml.state import State, ledger, specs, trainings
from ml.state.records import Decision, Window
from ml.wording import counted

log = logging.getLogger(__name__)


class TakenWindow(BaseModel):
    """The window to measure; where `window` is None, `reason` says why there is none. `left`: rows that the next look will take."""

    model: str
    window: str | None
    reason: str | None = None
    left: int = 0


class Measured(BeyondResult):
    """What was measured in a window.

    Quality is of `quality_rows` rows: the window's labelled ones, and rows that were accepted before it and whose labels became known
    since the champion's training and since its quality was last judged.
    """

    model: str
    window: WindowResult
    drift: DriftResult
    quality: dict[str, float]
    quality_rows: int
    report: str


class RuleResult(BaseModel):
    """What one rule of the policy said. `fired`: it asks (`role` asks) or holds back (holds_back) here; None: it is not declared."""

    rule: str
    role: str
    fired: bool | None
    reason: str


class DecisionResult(BaseModel):
    """The decision about a window. `state`: one of the ledger's (`ml.state.records.Decision`); `until`: when a suggestion expires."""

    id: str
    retrain: bool
    reasons: list[str]
    state: str
    policy: str
    rules: list[RuleResult]
    until: datetime | None = None


class MonitorResult(BeyondResult):
    """One look, as in `Measured` and `DecisionResult`. Without a window only `reason` is set.

    `watch`: how the champion does beside the one that it replaced; None where none is watched.
    """

    model: str
    watch: WatchResult | None = None
    window: WindowResult | None = None
    reason: str | None = None
    drift: DriftResult | None = None
    quality: dict[str, float] = Field(default_factory=dict)
    quality_rows: int = 0
    decision: DecisionResult | None = None
    report: str | None = None
    ledger: Reconciled


def monitor(settings: Settings, model: str) -> MonitorResult:
    """Watches the champion beside the former one, then takes, measures and decides one window of the champion that remains.

    What the ledger has still open is looked after first, so that a window that cannot be measured does not keep it waiting.
    """
    looked = reconcile(settings, model)
    watched = watch(settings, model)
    taken = take_window(settings, model)
    if taken.window is None:
        keep_house(settings, model)
        return MonitorResult(model=model, watch=watched, reason=taken.reason, ledger=looked)
    measured = measure(settings, taken.window)
    decision = decide(settings, taken.window)
    keep_house(settings, model)
    return MonitorResult(
        model=model,
        watch=watched,
        window=measured.window,
        drift=measured.drift,
        quality=measured.quality,
        quality_rows=measured.quality_rows,
        decision=decision,
        report=measured.report,
        ledger=now(settings, model, looked),
        **{name: getattr(measured, name) for name in BeyondResult.model_fields},
    )


def take_window(settings: Settings, model: str) -> TakenWindow:
    """The window that waits for its decision, or a new one of the rows accepted since the last (and since the champion's).

    A window that was not measured before another version became champion is given up.
    """
    spec = specfile.load(settings, model)
    state = State.open(settings)
    at = datetime.now(UTC)
    crowned = trainings.champion(state, model)
    last = ledger.last_window(state, model)
    if last is not None and ledger.decision_for(state, last.id) is None:
        if last.measured_at is not None or crowned is None or crowned.version == last.champion:
            log.info("window continued window=%s", last.id)
            return TakenWindow(model=model, window=last.id)
        if not windows.give_up(state, last, f"could not be measured in time: version {crowned.version} has become champion"):
            return TakenWindow(model=model, window=last.id)
    if crowned is None:
        return TakenWindow(model=model, window=None, reason=f"no champion yet; `perennial train {model}` makes a first one")

    from ml.data.table import AcceptedTable

    table = AcceptedTable.of(settings, model, spec)
    start = max(windows.training_of(state, model, crowned.version).dataset_version, last.end_version if last is not None else -1)
    newest = table.version()
    if newest is None or newest <= start:
        reason = f"no new rows since dataset version {start}; `perennial ingest {model}` takes in what has been delivered"
        return TakenWindow(model=model, window=None, reason=reason)
    end = windows.end_of(table, spec, start=start, newest=newest)
    rows = table.count(version=end, after_version=start)
    if rows < spec.monitoring.minimum_rows:
        reason = (
            f"{counted(rows, 'new row')} of the {spec.monitoring.minimum_rows} that a window needs (monitoring.minimum_rows); "
            f"`perennial ingest {model}` takes in more"
        )
        return TakenWindow(model=model, window=None, reason=reason)
    opened = windows.opened(settings, state, spec, table, start=start, end=end, rows=rows, champion=crowned.version, at=at)
    log.info("window taken window=%s rows=%d versions=%d..%d champion=%d", opened.id, rows, start + 1, end, crowned.version)
    left = table.count(version=newest, after_version=end)
    if left:
        most = spec.monitoring.maximum_rows
        log.warning("the window takes %d rows of at most %d (monitoring.maximum_rows); %d wait for the next look", rows, most, left)
    return TakenWindow(model=model, window=opened.id, left=left)


def measure(settings: Settings, window: str) -> Measured:
    """Measures drift and quality of the window, writes its report, and logs both to MLflow. A measured window stays as it is.

    Raises:
        CallError: There is no such window, or it was given up.
        PerennialError: It cannot be measured; unless waiting may cure that, it is given up.
    """
    state = State.open(settings)
    found = _window(state, window)
    if found.measured_at is None:
        if (made := ledger.decision_for(state, window)) is not None:
            raise CallError(f"window {window} was given up ({'; '.join(made.reasons)}); the next look takes a new window")
        from ml.jobs.measuring import measure_window

        with windows.measuring(state, found):
            trained = windows.training_of(state, found.model, found.champion)
            learnt = specs.recall(state, trained.spec_hash)
            spec = windows.watched(specs.recall(state, found.spec_hash), learnt)
            measure_window(settings, state, found, spec=spec, learnt=learnt, trained=trained)
        found = _window(state, window)
    drifts, qualities = ledger.measurement(state, window)
    return Measured(
        model=found.model,
        window=WindowResult.model_validate(found, from_attributes=True),
        drift=drift_result(drifts),
        quality={one.metric: one.value for one in qualities},
        quality_rows=max((one.rows for one in qualities), default=0),
        report=found.report_url or "",
        **facts(state, found),
    )


def decide(settings: Settings, window: str) -> DecisionResult:
    """Decides about a measured window, once: a second call returns the first decision."""
    state = State.open(settings)
    made = ledger.decision_for(state, window)
    if made is None:
        found = _window(state, window)
        if found.measured_at is None:
            raise CallError(f"window {window} is not measured yet, so nothing can be decided; measure it first")
        with windows.judging(state, found):
            made = _decided(settings, state, found)
        log.info("decided decision=%s retrain=%s state=%s", made.id, made.retrain, made.state)
    return DecisionResult.model_validate(made, from_attributes=True)


def _decided(settings: Settings, state: State, window: Window) -> Decision:
    from ml import policy
    from ml.jobs import deciding

    at, spec = datetime.now(UTC), specs.recall(state, window.spec_hash)
    found, outcome = deciding.judged(settings, state, window, at=at)
    version = policy.version(spec.retraining)
    return ledger.decide(
        state,
        Decision(
            id=f"decision-{window.id}-{version}",
            model=window.model,
            window=window.id,
            retrain=outcome.retrain,
            reasons=list(outcome.reasons),
            evidence=found.to_json(),
            report_url=window.report_url,
            state=outcome.state,
            decided_at=at,
            policy=version,
            rules=outcome.rules_json(),
            until=at + spec.retraining.answer_within if outcome.state == "suggested" else None,
        ),
    )


def _window(state: State, window: str) -> Window:
    found = ledger.find_window(state, window)
    if found is None:
        raise CallError(f"no window {window!r} was taken; `take_window` names the one to measure")
    return found
