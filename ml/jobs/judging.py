"""Judging a delivery: what stands in it, in the declared types, and everything that is wrong with it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ml.settings import Settings
from ml.spec import Csv, Files, ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from ml.data.reading import Delivered
    from ml.validation.checks import Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judged:
    """A delivery in the declared types, and what is wrong with it. `frame` is None where nothing could be read."""

    frame: "pd.DataFrame | None"
    rows: int | None
    verdict: "Verdict"
    convertible: bool
    suite_hash: str
    docs_url: str | None


def judge(settings: Settings, spec: ModelSpec, path: Path, *, name: str, batch: str, source: str, kind: str | None) -> Judged:
    """Reads, casts and validates a local copy, and writes its Data Docs page. Changes neither table nor state.

    Whatever the data does to the libraries that read it, the delivery is judged: it must not be met again at every look.

    Raises:
        SuiteError: The model's suite is missing or wrong: nothing is judged, the delivery waits.
    """
    from ml.data.faults import Unreadable, no_failures
    from ml.data.reading import column_faults, read
    from ml.validation import checks, docs, suites

    suite = suites.load(settings, spec.model)
    csv = spec.data.source.csv if isinstance(spec.data.source, Files) else Csv()

    def refused(reasons: list[str], failures: "pd.DataFrame", rows: int | None) -> Judged:
        verdict = checks.Verdict(passed=False, reasons=reasons, failures=failures, failing_rows=failures["row"].nunique(), result={})
        url = docs.write(settings, model=spec.model, batch=batch, verdict=verdict, suite=suite)
        return Judged(None, rows, verdict, False, suite.hash, url)

    rows = None
    try:
        with translated(batch):
            delivered = read(path, name=name, csv=csv, kind=kind, declared=spec.columns)
        rows = len(delivered.rows) + len(delivered.failures)
        if faults := column_faults(delivered.table, spec, csv=csv):
            return refused([*faults, *delivered.reasons], delivered.failures, rows)
        with translated(batch):
            frame, own, reasons = _converted(delivered, spec, decimal=csv.decimal)
    except Unreadable as error:
        return refused([str(error)], no_failures(), rows)
    warnings = [*delivered.warnings, *_repeated(settings, spec, frame)]
    del delivered
    verdict = checks.validate(frame, suite=suite, batch=batch, source=source)
    if reasons:
        verdict = _joined(checks.Verdict, verdict, own, reasons)
    verdict = replace(verdict, warnings=[*warnings, *verdict.warnings])
    url = docs.write(settings, model=spec.model, batch=batch, verdict=verdict, suite=suite)
    return Judged(frame, rows, verdict, not reasons, suite.hash, url)


@contextmanager
def translated(batch: str) -> Iterator[None]:
    """What a library raises over a value that nobody thought of is a reason too."""
    import pyarrow as pa

    from ml.data.faults import Unreadable, shown

    try:
        yield
    except (pa.ArrowMemoryError, pa.ArrowCancelled):
        raise
    except (pa.ArrowException, ValueError, OverflowError, LookupError, TypeError) as error:
        log.warning("delivery cannot be read batch=%s error=%s", batch, type(error).__name__)
        raise Unreadable(f"it cannot be read or converted: {type(error).__name__}: {shown(error)}") from error


def _converted(delivered: "Delivered", spec: ModelSpec, *, decimal: str) -> "tuple[pd.DataFrame, list[pd.DataFrame], list[str]]":
    """The rows in the declared types, the failures of reading and of converting, and the reasons of both."""
    import pandas as pd

    from ml.data.casting import cast, column_kinds

    converted = cast(delivered.table, kinds=column_kinds(spec), rows=delivered.rows, decimal=decimal)
    frame = converted.frame
    frame.index = pd.Index(delivered.rows) if len(delivered.failures) else frame.index
    return frame, [delivered.failures, converted.failures], [*delivered.reasons, *converted.reasons]


def _repeated(settings: Settings, spec: ModelSpec, frame: "pd.DataFrame") -> list[str]:
    """A warning where rows of accepted batches come again, as from a source that always delivers all it has."""
    from ml.data.faults import first_few
    from ml.data.table import AcceptedTable

    if spec.id is None:
        return []
    known = AcceptedTable.of(settings, spec.model, spec).known_ids(frame[spec.id])
    if not len(known):
        return []
    several, first = frame[spec.id].nunique(), first_few([known.iloc[0]])
    return [f"{len(known)} of {several} ids are in accepted batches already (first: {first}): rows that come twice count twice"]


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
