"""What is printed of declarations and deliveries."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from ml.show.terminal import console, table_of
from ml.wording import counted

if TYPE_CHECKING:
    from ml.jobs.check import CheckResult
    from ml.jobs.ingest import BatchResult, IngestResult
    from ml.jobs.new import NewModel
    from ml.jobs.quarantine import QuarantineDetails, QuarantineList

_SHOWN_FAILURES = 20


def new(made: "NewModel") -> None:
    """The files that were written, what was inferred and noticed, and what to do next."""
    for path in made.files:
        console.print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    positive = "" if made.positive is None else f", positive: {made.positive!r}"
    console.print(f"inferred from {counted(made.rows, 'row')}:")
    table = table_of("", "")
    table.show_header = False
    table.add_row("  task", Text(f"{made.task}, target: {made.target!r}{positive}"))
    table.add_row(
        "  id, time", Text(f"{made.id or 'no id'}, {made.time or 'no time'}" + (f", group: {made.group!r}" if made.group else ""))
    )
    for kind, columns in made.features.items():
        table.add_row(f"  {kind}", Text(f"{len(columns)}: {', '.join(columns)}"))
    ignored = ", ".join(f"{name} ({why})" if why else name for name, why in made.ignored.items())
    table.add_row("  ignored", Text(f"{len(made.ignored)}: {ignored}" if ignored else "no column"))
    table.add_row("  deliveries", Text(f"{counted(made.expectations, 'expectation')}, each says why it is there"))
    console.print(table)
    for note in made.notes:
        console.print(f"note: {note}")
    console.print(f"next: read the files and correct what you know better, then `perennial check {made.model}`")


def check(value: "CheckResult") -> None:
    """Every fault on its line, then how many."""
    for fault in value.faults:
        console.print(str(fault))
    models, faults = len(value.models), len(value.faults)
    console.print(f"{counted(models, 'model')} checked, {counted(faults, 'fault')}")


def batch(value: "BatchResult") -> None:
    """One batch."""
    console.print(
        f"{value.status} {value.id[:12]} {value.source}: {'– rows' if value.rows is None else counted(value.rows, 'row')}", end=""
    )
    console.print(f", {value.failing_rows} failing" if value.failing_rows else "")
    for reason in value.reasons:
        console.print(f"  {reason}")
    for warning in value.warnings:
        console.print(f"  warning: {warning}")


def ingest(value: "IngestResult") -> None:
    """Each batch with its reasons, then how many of each status."""
    for one in value.batches:
        batch(one)
    if not value.batches:
        console.print("nothing new")
        return
    counts: dict[str, int] = {}
    for one in value.batches:
        counts[one.status] = counts.get(one.status, 0) + 1
    console.print(", ".join(f"{number} {name}" for name, number in sorted(counts.items())))


def quarantine_list(value: "QuarantineList") -> None:
    """Each batch in quarantine with its reasons."""
    for one in value.batches:
        batch(one)
    console.print(f"{len(value.batches)} in quarantine")


def quarantined(value: "QuarantineDetails") -> None:
    """Why a batch is in quarantine, with its first failing rows."""
    batch(value.batch)
    if value.first_failures:
        table = table_of("row", "column", "value", "reason", right=("row",))
        for failure in value.first_failures[:_SHOWN_FAILURES]:
            table.add_row(str(failure.row), Text(failure.column), Text(failure.value), Text(failure.reason))
        console.print(table)
    console.print(f"all failing rows: {value.failures}")
    console.print(f"original: {value.original}")
    if value.batch.docs_url:
        console.print(f"data docs: {value.batch.docs_url}")
