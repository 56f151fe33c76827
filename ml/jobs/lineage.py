"""Where a version comes from, and what it led to: batches → dataset version → training ← decision ← window; → champion → predictions.

Read from the state database alone, in a few queries however many batches there are.
"""

import math
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml.errors import CallError, UnknownVersion
from ml.jobs.decision_facts import AskedBy, asked_by
from ml.settings import Settings
from ml.state import State, approvals, ledger, origins, specs, trainings
from ml.state.records import Promotion, Training

PAGE = 50
"""So many batches are told at once."""
_REIGNS, _WINDOWS = 10, 10


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=(), from_attributes=True)


class BatchOfVersion(_Result):
    """A batch whose rows the version could learn from. `dataset_version` is the one that accepted it."""

    id: str
    source: str
    rows: int | None
    failing_rows: int
    reasons: list[str]
    arrived_at: datetime
    decided_at: datetime
    dataset_version: int
    suite_hash: str | None
    docs_url: str | None


class Dataset(_Result):
    """What the version was trained on: all batches up to a dataset version, of which `shown` is one page, the last accepted first.

    `history_rows`: only so many of the newest rows were used; None: all. `failing_rows` of them fail expectations that allow for it, or
    were accepted by force. Pages count from 1.
    """

    version: int
    labels_version: int | None
    history_rows: int | None
    batches: int
    rows: int
    failing_rows: int
    page: int
    pages: int
    shown: list[BatchOfVersion]


class TrainedBy(_Result):
    """The training that made the version. `verdict` is the gate's sentence; `outcome` the last word, with who approved."""

    run: str
    started_at: datetime
    finished_at: datetime | None
    state: str
    reason: str
    spec_hash: str
    mlflow_run: str | None
    candidate: str | None
    verdict: str | None
    outcome: str | None
    approved: bool | None
    answered_by: str | None


class Reign(_Result):
    """A time as champion: `until` is None, and `by_version` with it, where it lasts."""

    since: datetime
    by: str
    kind: str
    reason: str
    until: datetime | None
    by_version: int | None


class WatchedWindow(_Result):
    """A window that was taken while the version was champion; `retrain` is None where nothing was decided yet."""

    id: str
    number: int
    rows: int
    measured_at: datetime | None
    retrain: bool | None


class Predictions(_Result):
    """What it has predicted so far: `rows` of so many batches, scored from `first_at` to `last_at` into so many files at `url`."""

    batches: int
    rows: int
    files: int
    first_at: datetime
    last_at: datetime
    url: str


class Lineage(_Result):
    """A version from its data to its predictions. `decision` is None where a person or the calendar asked."""

    model: str
    version: int
    training: TrainedBy
    decision: AskedBy | None
    dataset: Dataset
    reigns: list[Reign]
    windows: int
    newest_windows: list[WatchedWindow]
    predictions: Predictions | None


def lineage(settings: Settings, model: str, version: int, *, page: int = 1) -> Lineage:
    """Where the version comes from and what it led to, with one page of its batches.

    Raises:
        UnknownVersion: No training that the state database knows made it.
        CallError: There is no such page.
    """
    return of(State.open(settings).reader, model, version, page=page)


def of(state: State, model: str, version: int, *, page: int = 1) -> Lineage:
    """The same from a state database that is open."""
    training = trainings.of_version(state, model, version)
    if training is None:
        raise UnknownVersion(f"{model} version {version} was made by no training that the state database knows.")
    windows, newest = origins.windows_of(state, model, version, limit=_WINDOWS)
    asked = origins.asked_for(state, [one.id for one in newest])
    predicted = origins.predictions_of(state, model, version)
    made = ledger.find_decision(state, training.decision) if training.decision is not None else None
    return Lineage(
        model=model,
        version=version,
        training=_trained(state, training),
        decision=asked_by(state, made) if made is not None else None,
        dataset=_dataset(state, training, page),
        reigns=[_reign(*one) for one in origins.reigns(state, model, version, limit=_REIGNS)],
        windows=windows,
        newest_windows=[
            WatchedWindow(
                **{name: getattr(one, name) for name in ("id", "number", "rows", "measured_at")},
                retrain=asked.get(one.id),
            )
            for one in newest
        ],
        predictions=Predictions.model_validate(predicted) if predicted is not None else None,
    )


def _trained(state: State, training: Training) -> TrainedBy:
    verdict: dict[str, Any] = training.verdict or {}
    asked = approvals.find(state, training.key)
    shared = ("started_at", "finished_at", "state", "reason", "spec_hash", "mlflow_run")
    return TrainedBy(
        run=training.key,
        **{name: getattr(training, name) for name in shared},
        candidate=verdict.get("candidate"),
        verdict=verdict.get("sentence"),
        outcome=verdict.get("outcome"),
        approved=asked.approved if asked else None,
        answered_by=asked.by if asked else None,
    )


def _dataset(state: State, training: Training, page: int) -> Dataset:
    until = training.dataset_version
    whole = origins.sum_of_batches(state, training.model, until=until)
    pages = max(1, math.ceil(whole.batches / PAGE))
    if not 1 <= page <= pages:
        raise CallError(f"there is no page {page}: the batches fill {pages}")
    found = origins.batches_of(state, training.model, until=until, limit=PAGE, offset=(page - 1) * PAGE)
    return Dataset(
        version=until,
        labels_version=training.labels_version,
        history_rows=specs.recall(state, training.spec_hash).training.history_rows,
        batches=whole.batches,
        rows=whole.rows,
        failing_rows=whole.failing_rows,
        page=page,
        pages=pages,
        shown=[BatchOfVersion.model_validate(one) for one in found],
    )


def _reign(began: Promotion, ended: Promotion | None) -> Reign:
    return Reign(
        since=began.at,
        by=began.by,
        kind=began.kind,
        reason=began.reason,
        until=ended.at if ended else None,
        by_version=ended.version if ended else None,
    )
