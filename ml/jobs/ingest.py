"""Taking in deliveries: each is accepted whole into the model's table, or quarantined whole."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import SuiteError
from ml.settings import Settings
from ml.spec import Csv, Files, ModelSpec
from ml.state import State, batches
from ml.state.records import Batch

if TYPE_CHECKING:
    import pandas as pd

    from ml.data.deliveries import Fetched
    from ml.data.table import AcceptedTable
    from ml.validation.checks import Verdict

log = logging.getLogger(__name__)

Status = Literal["accepted", "quarantined", "duplicate"]


class BatchResult(BaseModel):
    """What became of one delivery. `rows` is None where no rows could be read; `failing_rows` counts different rows."""

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


class IngestResult(BaseModel):
    """What became of each delivery, in the order in which they were taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batches: list[BatchResult]


@dataclass(frozen=True, slots=True)
class Judged:
    """A delivery in the declared types, and what is wrong with it. `frame` is None where nothing could be read."""

    frame: "pd.DataFrame | None"
    rows: int | None
    verdict: "Verdict"
    convertible: bool
    suite_hash: str
    docs_url: str | None


def find_deliveries(settings: Settings, model: str, files: Sequence[str] = ()) -> list[str]:
    """The URLs of the deliveries that wait to be judged, oldest first; of named `files`, all of them in their order."""
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
    """Takes in the named files, or every delivery that waits. Idempotent: content that was judged before is a duplicate."""
    results = []
    for url in find_deliveries(settings, model, files):
        results.append(ingest_delivery(settings, model, url))
        if on_progress is not None:
            on_progress(results[-1])
    return IngestResult(batches=results)


def ingest_delivery(settings: Settings, model: str, url: str) -> BatchResult:
    """Reads, casts and validates one delivery, and accepts or quarantines it. Safe to run twice, at once, and after a kill."""
    from ml.data import deliveries

    spec = specfile.load(settings, model)
    state = State.open(settings)
    at = datetime.now(UTC)
    with deliveries.fetched(settings, spec, url) as fetched:
        result = _taken(settings, spec, state, fetched, at)
        if fetched.fingerprint is not None:
            batches.mark_seen(state, model, url=url, fingerprint=fetched.fingerprint, batch=result.id, at=at)
    log.info(
        "batch %s model=%s batch=%s rows=%s failing_rows=%s dataset_version=%s",
        result.status,
        model,
        result.id,
        result.rows,
        result.failing_rows,
        result.dataset_version,
    )
    return result


def _taken(settings: Settings, spec: ModelSpec, state: State, fetched: "Fetched", at: datetime) -> BatchResult:
    from ml.data.table import AcceptedTable

    if (known := batches.find(state, spec.model, fetched.batch)) is not None:
        return _duplicate(known, fetched)
    if fetched.kind == "jsonl" and fetched.path.stat().st_size == 0 and fetched.source.startswith("sql:"):
        reason = "the query gives no rows: nothing has arrived"
        return BatchResult(id=fetched.batch, source=fetched.source, status="duplicate", rows=0, failing_rows=0, reasons=[reason])
    table = AcceptedTable.of(settings, spec.model, spec)
    if (recovered := remembered(state, table, fetched.batch, at)) is not None:
        return result_of(recovered)
    judged = judge(settings, spec, fetched.path, name=fetched.name, batch=fetched.batch, source=fetched.source, kind=fetched.kind)
    if judged.frame is not None and judged.verdict.passed:
        return accept(state, table, spec, judged, batch=fetched.batch, source=fetched.source, at=at)
    return quarantined(settings, spec, judged, fetched, at)


def _duplicate(known: Batch, fetched: "Fetched") -> BatchResult:
    reason = f"the same content was {known.status} before, as {known.source} at {known.arrived_at:%Y-%m-%d %H:%M:%S} UTC"
    result = result_of(known)
    return result.model_copy(update={"status": "duplicate", "source": fetched.source, "reasons": [reason]})


def remembered(state: State, table: "AcceptedTable", batch: str, at: datetime) -> Batch | None:
    """The state row of a batch whose rows are in the table already: written anew where a kill came between the two."""
    commit = table.find(batch)
    if commit is None:
        return None
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


def judge(settings: Settings, spec: ModelSpec, path: Path, *, name: str, batch: str, source: str, kind: str | None) -> Judged:
    """Reads, casts and validates a local copy, and writes its Data Docs page. Changes neither table nor state.

    Raises:
        SuiteError: The model's suite is missing or wrong: nothing is judged, the delivery waits.
    """
    import pandas as pd

    from ml.data.casting import cast, column_kinds
    from ml.data.faults import Unreadable, no_failures
    from ml.data.reading import column_faults, read
    from ml.validation import checks, docs, suites

    suite = suites.load(settings, spec.model)
    csv = spec.data.source.csv if isinstance(spec.data.source, Files) else Csv()
    try:
        delivered = read(path, name=name, csv=csv, kind=kind)
    except Unreadable as error:
        verdict = _refused(checks.Verdict, [str(error)], no_failures())
        return Judged(
            None, None, verdict, False, suite.hash, docs.write(settings, model=spec.model, batch=batch, verdict=verdict, suite=suite)
        )
    rows = len(delivered.rows) + len(delivered.failures)
    if faults := column_faults(delivered.table, spec, csv=csv):
        verdict = _refused(checks.Verdict, [*faults, *delivered.reasons], delivered.failures)
        return Judged(
            None, rows, verdict, False, suite.hash, docs.write(settings, model=spec.model, batch=batch, verdict=verdict, suite=suite)
        )
    converted = cast(delivered.table, kinds=column_kinds(spec), rows=delivered.rows, decimal=csv.decimal)
    frame, own = converted.frame, [delivered.failures, converted.failures]
    reasons = [*delivered.reasons, *converted.reasons]
    frame.index = pd.Index(delivered.rows) if len(delivered.failures) else frame.index
    del delivered, converted
    verdict = checks.validate(frame, suite=suite, batch=batch, source=source)
    if reasons:
        verdict = _joined(checks.Verdict, verdict, own, reasons)
    url = docs.write(settings, model=spec.model, batch=batch, verdict=verdict, suite=suite)
    return Judged(frame, rows, verdict, not reasons, suite.hash, url)


def _refused(kind: "type[Verdict]", reasons: list[str], failures: "pd.DataFrame") -> "Verdict":
    return kind(passed=False, reasons=reasons, failures=failures, failing_rows=failures["row"].nunique(), result={})


def _joined(kind: "type[Verdict]", verdict: "Verdict", before: "list[pd.DataFrame]", reasons: list[str]) -> "Verdict":
    """What reading and casting found, and what the suite found besides: a value that could not be cast is not also called missing."""
    import pandas as pd

    own = pd.concat([part for part in before if len(part)], ignore_index=True)
    said = pd.MultiIndex.from_frame(own[["row", "column"]])
    others = verdict.failures[~pd.MultiIndex.from_frame(verdict.failures[["row", "column"]]).isin(said)]
    failures = pd.concat([own, others], ignore_index=True) if len(others) else own
    return kind(
        passed=False,
        reasons=[*reasons, *(reason for reason in verdict.reasons if not _is_said(reason, own, others))],
        failures=failures.sort_values(["row", "column"], kind="stable", ignore_index=True),
        failing_rows=failures["row"].nunique(),
        result=verdict.result,
        warnings=verdict.warnings,
    )


def _is_said(reason: str, own: "pd.DataFrame", others: "pd.DataFrame") -> bool:
    """Whether a reason only calls those values missing that could not be cast."""
    if "are missing" not in reason:
        return False
    left = set(others.loc[others["expectation"] == "expect_column_values_to_not_be_null", "column"])
    return any(reason.startswith(f"column {column!r}: ") for column in set(own["column"]) - left)


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
    """Adds the rows, then remembers it. A kill between the two is mended by `remembered` at the next try."""
    if judged.frame is None:
        raise ValueError("nothing was read that could be accepted")
    facts = {
        "source": source,
        "failing_rows": judged.verdict.failing_rows,
        "reasons": list(reasons),
        "suite_hash": judged.suite_hash,
        "docs_url": judged.docs_url,
    }
    table.append(judged.frame, spec=spec, batch=batch, arrived_at=at, facts=facts)
    saved = remembered(state, table, batch, datetime.now(UTC))
    if saved is None:
        raise SuiteError(f"batch {batch} was added but is not in the table")
    return result_of(saved)


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
    return result_of(saved)


def result_of(batch: Batch) -> BatchResult:
    """The batch as it is shown."""
    return BatchResult(
        id=batch.id,
        source=batch.source,
        status="quarantined" if batch.status == "replaced" else batch.status,
        rows=batch.rows,
        failing_rows=batch.failing_rows,
        reasons=batch.reasons,
        dataset_version=batch.dataset_version,
        docs_url=batch.docs_url,
        quarantine_url=batch.quarantine_url,
    )
