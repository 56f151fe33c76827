"""What is read from the tables: one frozen record a row."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Row

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One delivery and what became of it. `dataset_version` is set when it was accepted."""

    id: str
    model: str
    source: str
    status: str
    rows: int | None
    failing_rows: int
    reasons: list[str]
    arrived_at: datetime
    decided_at: datetime
    dataset_version: int | None = None
    suite_hash: str | None = None
    docs_url: str | None = None
    quarantine_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEvent:
    """One change of a batch's status. `dataset_version` is set when it was accepted."""

    batch: str
    status: str
    at: datetime
    dataset_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One monitoring period: the rows of the dataset versions in (`start_version`, `end_version`]."""

    id: str
    model: str
    number: int
    start_version: int
    end_version: int
    as_of: datetime
    rows: int
    labels_version: int | None = None
    labelled_rows: int | None
    start_time: datetime | None
    end_time: datetime | None
    champion: int
    spec_hash: str
    report_url: str | None
    mlflow_run: str | None
    measured_at: datetime | None


NOT_FEATURES = frozenset({"target", "prediction"})
"""Kinds of drift that are measured and do not count in the share of drifted columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far one column of a window lies from the reference. `drifted` means `value >= threshold`, or what `verdict` says.

    `verdict`: under a promised rate of false alarms, what was judged and why (`ml.monitoring.looks`), as JSON; `threshold` is then the
    smallest change that matters.
    """

    column: str
    kind: str
    method: str
    value: float
    threshold: float
    drifted: bool
    verdict: dict[str, Any] | None = None

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """What was judged of the column under a promise, the shown one first; nothing under fixed thresholds."""
        return [] if self.verdict is None else [self.verdict, *self.verdict["also"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One metric of the champion on the labelled rows of a window."""

    metric: str
    value: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowEstimate:
    """What one metric of a window was estimated to be before its labels were known, and what it turned out to be.

    Args:
        metric: Its name.
        method: cbpe or dle.
        rows: Rows of the window that the estimate is of.
        reference_rows: Labelled rows that it rests on.
        confidence: How often the measured metric should fall into the interval, 0-1.
        value: None where nothing could be estimated: `why` says why.
        sampling_error: Standard deviation of the metric by the chance of the window's own labels.
        model_error: Standard error of what was expected of them.
        low: The interval's lower end.
        high: Its upper end.
        why: Empty where there is a value.
        at_promotion: The metric on the champion's test rows; None where it is not known.
        measured: The metric on the window's matured labels; None before they have matured, and where they do not define it.
        labelled_rows: How many rows of the window had one then.
        matured_at: As of which moment; None before.
    """

    metric: str
    method: str
    rows: int
    reference_rows: int
    confidence: float
    value: float | None
    sampling_error: float | None
    model_error: float | None
    low: float | None
    high: float | None
    why: str
    at_promotion: float | None
    measured: float | None = None
    labelled_rows: int | None = None
    matured_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row of the ledger: one for each model, window and version of the policy.

    Args:
        id: Names it for ever.
        model: Whose decision.
        window: The window that was judged; None for a rollback, which the watch decides.
        retrain: Whether the evidence asks for a training.
        reasons: Sentences, the deciding ones first.
        evidence: What was known, as JSON.
        report_url: The window's Evidently page.
        state: `no` (nothing to do), `recorded` (yes, but retraining is off), `suggested` (a person is asked), `declined`, `expired`
            (nobody answered until `until`), `open` (a training is asked for), `claimed` (one works on it), `done`, `superseded` (a newer
            one took its place), `failed` (it was tried `tries` times; `outcome` explains).
        decided_at: When.
        kind: `retrain`, or `rollback`: a former champion came back.
        policy: The version of the policy: rules and code. `0`: from before versions were written down.
        rules: What each rule said, as `ml.policy.Finding.to_json`.
        tries: How many runs have claimed it.
        failures: How each try that failed ended: `run`, `at`, `error`.
        claimed_by: The run that works on it, or did; for `suggested`: the one that asks.
        lease_until: Until when the claim holds by itself.
        until: When a suggestion that nobody has answered expires.
        answer: What a person said: `approved`, `by`, `at`.
        announced_at: When a training was last woken for it,
        announcements: and how often.
        outcome: How it ended.
    """

    id: str
    model: str
    window: str | None
    retrain: bool
    reasons: list[str]
    evidence: dict[str, Any]
    report_url: str | None
    state: str
    decided_at: datetime
    kind: str = "retrain"
    policy: str = "0"
    rules: list[dict[str, Any]] = field(default_factory=list)
    tries: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    claimed_by: str | None = None
    lease_until: datetime | None = None
    until: datetime | None = None
    answer: dict[str, Any] | None = None
    announced_at: datetime | None = None
    announcements: int = 0
    outcome: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One training run. `state`: `running`, `promoted`, `challenger` (it did not win, or waits), `failed`."""

    key: str
    model: str
    spec_hash: str
    dataset_version: int
    labels_version: int | None
    as_of: datetime
    reason: str
    decision: str | None
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    mlflow_run: str | None = None
    version: int | None = None
    verdict: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One change of champion. `kind`: `promote` or `rollback`."""

    number: int
    model: str
    version: int
    previous: int | None
    kind: str
    at: datetime
    by: str
    reason: str
    evidence: dict[str, Any] | None
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question to a person: may the winner of this training become champion?

    `approved` is None while nobody has answered; `by` is None where the time ran out (`until`).
    """

    training: str
    model: str
    asked_at: datetime
    until: datetime
    approved: bool | None = None
    by: str | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The former champion beside the new one, on rows that neither has seen, since one change of champion.

    `state`: `watching`, `kept` (the time is over), `rolled_back`, `ended` (for another reason: `reason` says which).

    Args:
        promotion: The number of the change that is watched.
        model: Whose champion.
        version: The champion that is watched.
        former: The version that it replaced.
        until: When the watch is over.
        after_version: Rows of later dataset versions count: both versions were trained before.
        known_version: The dataset version, and
        known_labels: the labels version at the change: rows whose label was known then do not count.
        looks: How often rows were counted; what another process counted meanwhile shows here.
        dataset_version: Rows that were accepted by this version,
        labels_version: with labels that were known by this version,
        as_of: and were mature at this moment are counted.
        measure: What a wrong answer costs in the test (`ml.training.losses.Loss`); None before the first row, then fixed.
        wealth: What the test has gathered (`ml.training.eprocess.Wealth`); None before the first row.
        rows: How many rows are counted.
        loss: The sum of the champion's losses over them.
        former_loss: The sum of the former champion's.
        gain: The realised gain, as `ml.training.realised.Gain`; None before the first row.
        state: See above.
        reason: Why the watch is over, in one sentence.
        updated_at: When any of this was changed last.
    """

    promotion: int
    model: str
    version: int
    former: int
    until: datetime
    after_version: int
    known_version: int
    known_labels: int
    looks: int
    dataset_version: int
    labels_version: int
    as_of: datetime
    measure: dict[str, Any] | None
    wealth: dict[str, Any] | None
    rows: int
    loss: float
    former_loss: float
    gain: dict[str, Any] | None
    state: str
    reason: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that somebody is told of through one channel: when it began, when it ended, and what of that was delivered.

    Args:
        number: Names it.
        model: Whose.
        channel: Through which channel it is told.
        key: What makes it the same condition at the next look; at most one is open for each model and channel.
        kind: `monitoring`, `alarm`, `drift`, `quality`, `estimate`, `retrain`, `training`, `quarantine` or `rollback`.
        title: One line.
        text: Sentences.
        window: The window whose report shows it, if one does.
        opened_at: When a look first saw it.
        told_at: When that was delivered.
        closed_at: When a look saw that it is over.
        end_text: How it ended.
        end_told_at: When that was delivered.
        failures: How many deliveries have failed since the last that did not,
        error: and the last one's error.
        sending_until: Until when whoever is telling it is left alone with that.
    """

    number: int
    model: str
    channel: str
    key: str
    kind: str
    title: str
    text: str
    window: str | None
    opened_at: datetime
    told_at: datetime | None = None
    closed_at: datetime | None = None
    end_text: str | None = None
    end_told_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    sending_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedReplay:
    """A replay of the model's own history.

    `result` is all that it found, as JSON (`ml.monitoring.replayed.facts.ReplayFacts`). `answer`: what a person
    said to its recommendation, `{"approved", "by", "at"}`; None while nobody was asked, or nobody has answered.
    """

    number: int
    model: str
    at: datetime
    spec_hash: str
    result: dict[str, Any]
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What one version has predicted so far, summed up from the prediction log.

    Args:
        version: Which.
        batches: So many batches were scored,
        rows: with so many rows together,
        files: into so many files of the log.
        first_at: When the first of them was scored,
        last_at: and the last.
        url: Where the log stands.
    """

    version: int
    batches: int
    rows: int
    files: int
    first_at: datetime
    last_at: datetime
    url: str


def record(kind: type[T], row: Row[Any]) -> T:
    """The record of a row; columns that the record does not name are left out."""
    found = row._mapping
    return kind(**{name: found[name] for name in _names(kind)})  # type: ignore[arg-type]


def by_window(kind: type[T], rows: Iterable[Row[Any]]) -> dict[str, list[T]]:
    """Window → the records of its rows, in their order."""
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row.window, []).append(record(kind, row))
    return found


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))
