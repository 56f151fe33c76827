"""Looking at quarantined batches, and releasing them."""

import logging
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import fsspec
from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import CallError, DataOwnerError
from ml.jobs.ingest import BatchResult, accept, ingest_delivery, quarantined, remembered, result_of
from ml.jobs.judging import judge
from ml.settings import Settings
from ml.state import State, batches
from ml.state.records import Batch

log = logging.getLogger(__name__)

_SHOWN_ROWS = 50


class QuarantinedBatch(BatchResult):
    """A batch in quarantine. `arrived_at` is when it was first seen."""

    arrived_at: datetime


class QuarantineList(BaseModel):
    """The batches of a model that are in quarantine, in the order of arrival."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    batches: list[QuarantinedBatch]


class FailingValue(BaseModel):
    """One failing row and column: `row` counts the delivery's data rows from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    column: str
    expectation: str
    value: str
    reason: str


class QuarantineDetails(BaseModel):
    """One quarantined batch: where its parts are, and the first of its failing rows (`failures` names the table of all)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: QuarantinedBatch
    original: str
    failures: str
    first_failures: list[FailingValue]


def listed(settings: Settings, model: str) -> QuarantineList:
    """The model's batches that are in quarantine."""
    specfile.spec_path(settings, model)
    found = batches.listed(State.open(settings), model, status="quarantined")
    return QuarantineList(model=model, batches=[_shown(batch) for batch in found])


def show(settings: Settings, model: str, batch: str) -> QuarantineDetails:
    """One batch that is in quarantine, or was until it was released or replaced, by its id or the start of it."""
    from ml.validation import quarantine

    found = _one(settings, model, batch, replaced=True)
    kept = quarantine.find(settings, model, found.id)
    first = quarantine.failures(kept).head(_SHOWN_ROWS)
    values = [FailingValue(**{str(key): value for key, value in row.items()}) for row in first.to_dict(orient="records")]
    return QuarantineDetails(batch=_shown(found), original=kept.original, failures=kept.failures, first_failures=values)


def release(
    settings: Settings, model: str, batch: str, *, repaired: str | None = None, force: bool = False, note: str | None = None
) -> BatchResult:
    """Judges a quarantined batch again, and accepts it when it passes; idempotent.

    Args:
        settings: The installation.
        model: The model's name.
        batch: The batch's id, or the start of it.
        repaired: A corrected file that takes the place of the original: it becomes a batch of its own.
        force: Accept although the suite says no; what cannot be read or cast cannot be forced. With `repaired`: close the batch also
            for a file that was accepted before, as a delivery of its own.
        note: Who releases the original and why, for the record: the first of its reasons from then on.

    Raises:
        DataOwnerError: No batch in quarantine is called so.
        CallError: The repaired file is another delivery, which was accepted before.
    """
    found = _one(settings, model, batch)
    if repaired is not None:
        return _replaced(settings, found, repaired if "://" in repaired else str(Path(repaired).absolute()), force=force)
    result = _again(settings, found, force=force, note=note)
    log.info("release model=%s batch=%s status=%s force=%s", model, found.id, result.status, force)
    return result


def _again(settings: Settings, found: Batch, *, force: bool, note: str | None) -> BatchResult:
    from ml.data.deliveries import Fetched, declared_format, spooled
    from ml.data.reading import kind_of
    from ml.data.table import AcceptedTable
    from ml.validation import quarantine

    spec = specfile.load(settings, found.model)
    state = State.open(settings)
    table = AcceptedTable.of(settings, found.model, spec)
    at = datetime.now(UTC)
    if (recovered := remembered(state, table, found.id, at)) is not None:
        return result_of(recovered, table)
    kept = quarantine.find(settings, found.model, found.id)
    kind = kind_of(kept.name, declared=declared_format(spec)) or kept.kind
    with spooled(settings) as folder:
        path = folder / "original"
        with fsspec.open(kept.original, "rb") as stream, path.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        judged = judge(settings, spec, path, name=kept.name, batch=found.id, source=kept.source, kind=kind)
        forced = force and judged.convertible
        if judged.frame is not None and (judged.verdict.passed or forced):
            reasons = [] if judged.verdict.passed else ["accepted by force although:", *judged.verdict.reasons]
            reasons = [note, *reasons] if note else reasons
            return accept(state, table, spec, judged, batch=found.id, source=kept.source, at=found.arrived_at, reasons=reasons)
        fetched = Fetched(path, kept.name, kept.source, found.id, None, kind)
        result = quarantined(settings, spec, judged, fetched, at)
    if force:
        return result.model_copy(update={"reasons": ["cannot be forced: not all of it can be read and cast", *result.reasons]})
    return result


def _replaced(settings: Settings, found: Batch, repaired: str, *, force: bool) -> BatchResult:
    """Takes the repaired file in, then closes the batch.

    What is meant to take its place is written down before: after a kill between the two, the accepted file is known for what it is.
    """
    state = State.open(settings)
    id_, meant = _id_of(settings, found.model, repaired), "its repaired file is batch {}"
    other = batches.find(state, found.model, id_)
    if other is not None and other.status == "accepted" and meant.format(id_) not in found.reasons and not force:
        raise CallError(
            f"{repaired} is batch {id_[:12]}, which was accepted already, as {other.source} at {other.decided_at:%Y-%m-%d %H:%M:%S} UTC: "
            f"a delivery of its own. Batch {found.id[:12]} ({found.source}) stays in quarantine; if that file does hold its rows, close "
            "it with --force"
        )
    own = [reason for reason in found.reasons if not reason.startswith(meant.format(""))]
    batches.save(state, replace(found, reasons=[*own, meant.format(id_)]))
    result = ingest_delivery(settings, found.model, repaired)
    if result.id == found.id or result.dataset_version is None:
        batches.save(state, replace(found, reasons=own))
        return result
    reasons = [*own, f"replaced by batch {result.id}"]
    batches.save(state, replace(found, status="replaced", reasons=reasons, decided_at=datetime.now(UTC)))
    log.info("replaced model=%s batch=%s by=%s force=%s", found.model, found.id, result.id, force)
    closed = f"takes the place of batch {found.id[:12]} ({found.source}, of {found.arrived_at:%Y-%m-%d %H:%M:%S} UTC), which is closed"
    return result.model_copy(update={"reasons": [*result.reasons, closed]})


def _id_of(settings: Settings, model: str, url: str) -> str:
    from ml.data import deliveries

    with deliveries.fetched(settings, specfile.load(settings, model), url) as fetched:
        return fetched.batch


def _one(settings: Settings, model: str, batch: str, *, replaced: bool = False) -> Batch:
    """The batch whose id is, or starts with, `batch`: one that waits in quarantine, or was released before; or replaced, if asked."""
    specfile.spec_path(settings, model)
    state = State.open(settings).reader
    whole = batches.find(state, model, batch)
    known = [whole] if whole is not None else batches.beginning(state, model, batch) if batch else []
    matching = [found for found in known if found.status == "quarantined"] or [
        found for found in known if replaced or found.status != "replaced"
    ]
    if not matching and len(known) == 1:
        raise DataOwnerError(f"batch {known[0].id[:12]} of {model} is closed: {known[0].reasons[-1]}")
    if len(matching) != 1:
        what = "no batch" if not matching else f"{len(matching)} batches"
        raise DataOwnerError(f"{what} of {model} in quarantine with an id that starts with {batch!r}; `perennial quarantine list {model}`")
    return matching[0]


def _shown(batch: Batch) -> QuarantinedBatch:
    return QuarantinedBatch(**result_of(batch).model_dump(), arrived_at=batch.arrived_at)
