"""What is read from the tables: one frozen record a row."""

from dataclasses import dataclass, fields
from datetime import datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far one column of a window lies from the reference. `drifted` means `value >= threshold`."""

    column: str
    kind: str
    method: str
    value: float
    threshold: float
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One metric of the champion on the labelled rows of a window."""

    metric: str
    value: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row of the ledger.

    `state`: `no` (nothing to do), `recorded` (yes, but retraining is off), `open`, `claimed`, `done`, `superseded`.
    """

    id: str
    model: str
    window: str
    retrain: bool
    reasons: list[str]
    evidence: dict[str, Any]
    report_url: str | None
    state: str
    decided_at: datetime
    claimed_by: str | None = None
    lease_until: datetime | None = None
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


def record(kind: type[T], row: Row[Any]) -> T:
    """The record of a row; columns that the record does not name are left out."""
    return kind(**{field.name: row._mapping[field.name] for field in fields(kind)})  # type: ignore[arg-type]
