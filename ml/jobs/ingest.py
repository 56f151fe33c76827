"""Taking in deliveries: each is accepted whole into the model's table, or quarantined whole."""

import logging
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import ConcurrentChange, DataOwnerError, PerennialError, StoreUnavailable, SuiteError
from ml.jobs.judging import Judged, judge
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, batches
from ml.state.records import Batch

if TYPE_CHECKING:
    from ml.data.deliveries import Fetched
    from ml.data.table import AcceptedTable

log = logging.getLogger(__name__)

Status = Literal["accepted", "quarantined", "duplicate", "replaced"]
_TOLD = 5


class BatchResult(BaseModel):
    """What became of one delivery. `rows` is None where no rows could be read; `failing_rows` counts different rows.

    `duplicate` is content that was accepted before, or replaced; what stands in quarantine is `quarantined` each time that it is
    delivered. `replaced` is told only by looking into the quarantine: another batch was released in its place.

    `warnings` is what one should look at although it does not keep the delivery out. It is told once, by the call that judged; later it
    stands in the batch's Data Docs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: str
    status: Status
    rows: int | None
    failing_rows: int
    reasons: list[str]
    dataset_version: int | None = None
    docs_url: str | None = None
    quarantine_url: str | None = None
    warnings: list[str] = []


class IngestResult(BaseModel):
    """What became of each delivery, in the order in which they were taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batches: list[BatchResult]


def find_deliveries(settings: Settings, model: str, files: Sequence[str] = ()) -> list[str]:
    """The URLs of the deliveries that wait to be judged, oldest first; of named `files`, all of them in their order.

    What the declaration writes as `${VARIABLE}` stands so in the URLs too: they are shown and stored.
    """
    from ml.data import deliveries

    spec = specfile.load(settings, model)
    if files:
        return [file if "://" in file else os.path.abspath(file) for file in files]  # noqa: PTH100  # `resolve` would follow links
    return deliveries.find(settings, spec, seen=batches.seen_fingerprints(State.open(settings), model))


def ingest(
    settings: Settings,
    model: str,
    files: Sequence[str] = (),
    *,
    on_progress: Callable[[BatchResult], None] | None = None,
) -> IngestResult:
    """Takes in the named files, or every delivery that waits. Idempotent: content that was accepted before is a duplicate, and content
    that stands in quarantine is not kept there twice.

    A delivery that cannot be fetched does not keep the others out.

    Raises:
        PerennialError: At the end, for what could not be fetched: gone, being changed, not to be read. At once, for whatever is wrong
            with the model itself.
    """
    results: list[BatchResult] = []
    failed: list[PerennialError] = []
    for url in find_deliveries(settings, model, files):
        try:
            results.append(ingest_delivery(settings, model, url))
        except (DataOwnerError, ConcurrentChange, StoreUnavailable) as error:
            log.warning("delivery left out model=%s error=%s", model, error)
            failed.append(error)
            continue
        if on_progress is not None:
            on_progress(results[-1])
    if failed:
        raise _summed(failed, taken=len(results))
    return IngestResult(batches=results)


def _summed(failed: list[PerennialError], *, taken: int) -> PerennialError:
    """One error for all; one that needs a person comes before one that waiting may cure."""
    worst = min(failed, key=lambda error: error.retryable)
    if len(failed) == 1 and not taken:
        return worst
    left = f"{len(failed)} of {len(failed) + taken} deliveries were not taken in" + (", the others were" if taken else "")
    more = f" (and {len(failed) - _TOLD} more)" if len(failed) > _TOLD else ""
    return type(worst)(f"{left}: {'; '.join(str(error) for error in failed[:_TOLD])}{more}")


def ingest_delivery(settings: Settings, model: str, url: str, *, since: datetime | None = None) -> BatchResult:
    """Reads, casts and validates one delivery, and accepts or quarantines it. Safe to run twice, at once, and after a kill.

    Args:
        settings: The installation.
        model: The model's name.
        url: The delivery, as `find_deliveries` names it.
        since: What was decided about this very delivery since then is this call's own result, told again, and no duplicate: another
            try after a kill tells what the first one did.
    """
    from ml.data import deliveries

    spec = specfile.load(settings, model)
    state = State.open(settings)
    at = datetime.now(UTC)
    with deliveries.fetched(settings, spec, url) as fetched:
        result = _taken(settings, spec, state, fetched, at, since=since)
        if fetched.fingerprint is not None:
            shown = deliveries.hidden(url) if deliveries.has_secret(url) else url
            batches.mark_seen(state, model, url=shown, fingerprint=fetched.fingerprint, batch=result.id, at=at)
    log.info(
        "batch %s model=%s batch=%s rows=%s failing_rows=%s warnings=%s dataset_version=%s",
        result.status,
        model,
        result.id,
        result.rows,
        result.failing_rows,
        len(result.warnings),
        result.dataset_version,
    )
    return result


def _taken(
    settings: Settings, spec: ModelSpec, state: State, fetched: "Fetched", at: datetime, *, since: datetime | None = None
) -> BatchResult:
    from ml.data.table import AcceptedTable

    if (known := batches.find(state, spec.model, fetched.batch)) is not None:
        again = since is not None and known.decided_at >= since and known.source == fetched.source and known.status != "replaced"
        return result_of(known) if again else _known(known, fetched)
    if fetched.kind == "jsonl" and fetched.path.stat().st_size == 0 and fetched.source.startswith("sql:"):
        reason = "the query gives no rows: nothing has arrived"
        return BatchResult(id=fetched.batch, source=fetched.source, status="duplicate", rows=0, failing_rows=0, reasons=[reason])
    table = AcceptedTable.of(settings, spec.model, spec)
    if (recovered := remembered(state, table, fetched.batch, at)) is not None:
        return result_of(recovered, table)
    judged = judge(settings, spec, fetched.path, name=fetched.name, batch=fetched.batch, source=fetched.source, kind=fetched.kind)
    if judged.frame is not None and judged.verdict.passed:
        return accept(state, table, spec, judged, batch=fetched.batch, source=fetched.source, at=at)
    return quarantined(settings, spec, judged, fetched, at)


def _known(known: Batch, fetched: "Fetched") -> BatchResult:
    """What is told of content that was judged before: a damaged delivery that comes again is as damaged as the first.

    Only a query is asked anew at each look: rows of it that stand in quarantine are told of once.
    """
    reason = f"the same content was {known.status} before, as {known.source} at {known.arrived_at:%Y-%m-%d %H:%M:%S} UTC"
    asked_again = known.source == fetched.source and known.source.startswith("sql:")
    if known.status == "quarantined" and not asked_again:
        return result_of(known).model_copy(update={"source": fetched.source, "reasons": [*known.reasons, reason]})
    return result_of(known).model_copy(update={"status": "duplicate", "source": fetched.source, "reasons": [reason]})


def remembered(state: State, table: "AcceptedTable", batch: str, at: datetime) -> Batch | None:
    """The state row of a batch whose rows are in the table already: written anew where a kill came between the two."""
    commit = table.find(batch)
    if commit is None:
        return None
    known = batches.find(state, table.model, batch)
    if known is not None and known.status == "accepted":
        return known
    facts = commit.facts
    found = Batch(
        id=batch,
        model=table.model,
        source=str(facts["source"]),
        status="accepted",
        rows=commit.rows,
        failing_rows=int(facts["failing_rows"]),
        reasons=list(facts["reasons"]),
        arrived_at=datetime.fromisoformat(str(facts["arrived_at"])),
        decided_at=at,
        dataset_version=commit.version,
        suite_hash=facts["suite_hash"],
        docs_url=facts["docs_url"],
    )
    batches.save(state, found)
    return found


def accept(
    state: State,
    table: "AcceptedTable",
    spec: ModelSpec,
    judged: Judged,
    *,
    batch: str,
    source: str,
    at: datetime,
    reasons: Sequence[str] = (),
) -> BatchResult:
    """Adds the rows as arrived `at`, then remembers it. A kill between the two is mended by `remembered` at the next try."""
    if judged.frame is None:
        raise ValueError("nothing was read that could be accepted")
    facts = {
        "source": source,
        "failing_rows": judged.verdict.failing_rows,
        "reasons": list(reasons),
        "warnings": judged.verdict.warnings,
        "suite_hash": judged.suite_hash,
        "docs_url": judged.docs_url,
    }
    table.append(judged.frame, spec=spec, batch=batch, arrived_at=at, facts=facts)
    saved = remembered(state, table, batch, datetime.now(UTC))
    if saved is None:
        raise SuiteError(f"batch {batch} was added but is not in the table")
    return result_of(saved, table)


def quarantined(settings: Settings, spec: ModelSpec, judged: Judged, fetched: "Fetched", at: datetime) -> BatchResult:
    """Keeps the delivery in quarantine, then remembers it."""
    from ml.validation import quarantine

    state = State.open(settings)
    known = batches.find(state, spec.model, fetched.batch)
    arrived_at = known.arrived_at if known is not None else at
    facts = {
        "source": fetched.source,
        "name": fetched.name,
        "kind": fetched.kind,
        "rows": judged.rows,
        "failing_rows": judged.verdict.failing_rows,
        "reasons": judged.verdict.reasons,
        "warnings": judged.verdict.warnings,
    }
    kept = quarantine.keep(
        settings, spec.model, fetched.batch, original=fetched.path, failures=judged.verdict.failures, arrived_at=arrived_at, facts=facts
    )
    saved = Batch(
        id=fetched.batch,
        model=spec.model,
        source=fetched.source,
        status="quarantined",
        rows=judged.rows,
        failing_rows=judged.verdict.failing_rows,
        reasons=list(judged.verdict.reasons),
        arrived_at=arrived_at,
        decided_at=at,
        suite_hash=judged.suite_hash,
        docs_url=judged.docs_url,
        quarantine_url=kept.url,
    )
    batches.save(state, saved)
    return result_of(saved).model_copy(update={"warnings": kept.warnings})


def result_of(batch: Batch, table: "AcceptedTable | None" = None) -> BatchResult:
    """The batch as it is shown; with the warnings that its commit in the table keeps."""
    commit = None if table is None else table.find(batch.id)
    return BatchResult(
        id=batch.id,
        source=batch.source,
        status=batch.status,
        rows=batch.rows,
        failing_rows=batch.failing_rows,
        reasons=batch.reasons,
        dataset_version=batch.dataset_version,
        docs_url=batch.docs_url,
        quarantine_url=batch.quarantine_url,
        warnings=[] if commit is None else list(commit.facts.get("warnings", [])),
    )
