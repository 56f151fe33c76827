"""What the command line prints. Values that came with data are printed as plain text, never as markup."""

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml.wording import chance, counted

if TYPE_CHECKING:
    from ml.jobs.beyond_results import EstimatedResult
    from ml.jobs.check import CheckResult
    from ml.jobs.history import ChampionAt, WatchStatus
    from ml.jobs.ingest import BatchResult, IngestResult
    from ml.jobs.look_results import ColumnDrift
    from ml.jobs.monitor import MonitorResult
    from ml.jobs.new import NewModel
    from ml.jobs.quarantine import QuarantineDetails, QuarantineList
    from ml.jobs.reconcile import Failure
    from ml.jobs.replaying.recorded import Recorded
    from ml.jobs.report import Reported
    from ml.jobs.reproduce import Reproduced
    from ml.jobs.status import ModelStatus, Status
    from ml.jobs.train import TrainResult
    from ml.monitoring.replayed.facts import CostFacts, PlayedPolicy, ReplayFacts
    from ml.stack import Addresses

T = TypeVar("T", bound=BaseModel)

_SHOWN_FAILURES = 20

console = Console(markup=False, highlight=False, soft_wrap=True)


def result(value: T, as_json: bool, view: Callable[[T], None]) -> None:
    """Prints a result: as one JSON object, or for a person."""
    if as_json:
        sys.stdout.write(value.model_dump_json(indent=2, by_alias=True) + "\n")
    else:
        view(value)


@contextmanager
def progress(start: str) -> Iterator[Callable[[str], None]]:
    """Shows on the standard error what happens now; plain lines where it is not a terminal."""
    errors = Console(stderr=True, markup=False, highlight=False)
    if not errors.is_terminal:

        def line(text: str) -> None:
            errors.print(text, soft_wrap=True)

        yield line
        return
    with errors.status(Text(start)) as status:

        def step(text: str) -> None:
            errors.print(Text(f"  {text}", style="dim"))
            status.update(Text(text))

        yield step


@contextmanager
def bar(what: str) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Two functions: the first says a line, the second shows how many of how many are done, and how long the rest will take."""
    errors = Console(stderr=True, markup=False, highlight=False)
    if not errors.is_terminal:
        yield lambda text: errors.print(text, soft_wrap=True), lambda _done, _all: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as shown:
        task = shown.add_task(what, total=None)

        def say(text: str) -> None:
            errors.print(Text(f"  {text}", style="dim"))

        yield say, lambda done, total: shown.update(task, completed=done, total=total)


def user() -> str:
    """The name of whoever calls, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def facts(value: BaseModel) -> None:
    """One line a field."""
    table = _table("", "")
    table.show_header = False
    for name, content in value.model_dump(mode="json").items():
        table.add_row(name.replace("_", " "), Text(str("–" if content is None else content)))
    console.print(table)


def new(made: "NewModel") -> None:
    """The files that were written, what was noticed, and what to do next."""
    for path in made.files:
        console.print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    for note in made.notes:
        console.print(f"note: {note}")
    console.print(
        f"next: read the files, then `perennial check {made.model}`, `perennial ingest {made.model}`, `perennial train {made.model}`"
    )


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
        console.print("no batches")
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
        table = _table("row", "column", "value", "reason", right=("row",))
        for failure in value.first_failures[:_SHOWN_FAILURES]:
            table.add_row(str(failure.row), Text(failure.column), Text(failure.value), Text(failure.reason))
        console.print(table)
    console.print(f"all failing rows: {value.failures}")
    console.print(f"original: {value.original}")
    if value.batch.docs_url:
        console.print(f"data docs: {value.batch.docs_url}")


def train(value: "TrainResult") -> None:
    """What was trained, and what the gate said."""
    console.print(f"{value.model}: version {value.version} on dataset version {value.dataset_version} ({value.reason})")
    console.print(value.verdict)
    table = _table("metric", "test rows", right=("test rows",))
    for name, number in value.metrics.items():
        table.add_row(name, _number(number))
    console.print(table)
    for warning in value.warnings:
        console.print(f"warning: {warning}")
    console.print(f"champion: {'version ' + str(value.champion) if value.champion is not None else 'none'}")


def _drifted(one: "ColumnDrift") -> str:
    """Whether a column has drifted; under a promise, how likely chance alone is."""
    said = "drifted" if one.drifted else ""
    return said if one.verdict is None else f"{said} {chance(one.verdict['p_value'])}".strip()


def monitor(value: "MonitorResult") -> None:
    """How the champion does beside the former one, drift by column, quality, the decision, the report."""
    if value.watch is not None:
        console.print(f"watch: {value.watch.state}: {value.watch.reason}")
    for failed in value.ledger.failed:
        console.print(f"failed: {_failed(failed)}")
    if value.window is None or value.drift is None:
        console.print(f"{value.model}: no window: {value.reason}")
        return
    window = value.window
    console.print(f"{value.model}: window {window.number}, {counted(window.rows, 'row')}, {window.labelled_rows or 0} labelled")
    table = _table("column", "method", "value", "threshold", "", right=("value", "threshold"))
    for name, one in sorted(value.drift.columns.items(), key=lambda item: -item[1].value):
        table.add_row(Text(name), one.method, _number(one.value), _number(one.threshold), _drifted(one))
    console.print(table)
    for name, number in value.quality.items():
        console.print(f"{name} {_number(number)} on {counted(value.quality_rows, 'labelled row')}")
    if value.estimated is not None:
        console.print(f"estimated without labels: {_estimated(value.estimated)}; audit: {value.estimated.audit.sentence}")
    if value.decision is not None:
        console.print("decision: " + ("retrain" if value.decision.retrain else "do not retrain"))
        for reason in value.decision.reasons:
            console.print(f"  {reason}")
    console.print(f"report: {value.report}")


def report(value: "Reported") -> None:
    """What the history means, and where its page is."""
    console.print(" ".join(value.meaning))
    console.print(f"page: {value.page}")


def replay(value: "ReplayFacts") -> None:
    """What each policy cost on the judged windows, then what to do."""
    counts = f"{value.windows} windows, {value.tuned_on} tuned on, {value.judged_on} judged on"
    console.print(f"{value.model}: {counts}; {value.metric}")
    chosen = value.chosen
    console.print(
        f"at a cost of {chosen.cost:g} a retraining (a fit {chosen.train:g}, a promotion {chosen.promote:g}), judged windows only:"
    )
    table = _table("policy", "loss", "new", "fits", "total", "beyond never", "beyond calendar", right=("loss", "new", "fits", "total"))
    for name, one in sorted(_compared(chosen), key=lambda item: item[1].total):
        shown = (f"{one.mean_loss:.4f}", str(one.retrainings), str(one.fits), f"{one.total:.3f}")
        table.add_row(Text(name), *shown, _between(one.beyond_never), _between(one.beyond_calendar))
    _whole(table)
    oracle = (
        "" if chosen.honest_oracle is None else f"; on rows that its path was not chosen by the oracle costs {chosen.honest_oracle:.3f}"
    )
    console.print(f"* recommended; oracle and best calendar are known only afterwards{oracle}; intervals of 95 %")
    robust = _table(
        "cost", "recommended", "total", "tuned calendar", "total", "never", "oracle", right=("cost", "total", "never", "oracle")
    )
    for cell in sorted(value.cells, key=lambda one: one.cost):
        ours, calendar = cell.recommended, cell.tuned_calendar
        totals = (f"{calendar.total:.3f}", f"{cell.never.total:.3f}", f"{cell.oracle.total:.3f}")
        robust.add_row(f"{cell.cost:g}", ours.name, f"{ours.total:.3f}", calendar.name, *totals)
    _whole(robust)
    if (length := value.length) is not None:
        table = _table("learns from", "tuned total", "a new model's loss, judged", right=("tuned total", "a new model's loss, judged"))
        for name, total in length.tuned_totals.items():
            table.add_row(name + (" *" if name == length.name else ""), f"{total:.3f}", f"{length.fresh_means[name]:.4f}")
        console.print(table)
    for name, why in value.absent.items():
        console.print(f"not played: {name}: {why}")
    touched = {name.replace("_", " "): count for name, count in value.affected.model_dump().items() if count}
    if touched:
        console.print("treated otherwise: " + ", ".join(f"{count} {name}" for name, count in touched.items()))
    for note in value.notes:
        console.print(f"note: {note}")
    console.print(value.recommendation)
    if value.html is not None:
        console.print(f"page: {value.html}")


def _compared(cell: "CostFacts") -> "list[tuple[str, PlayedPolicy]]":
    """The policies that were chosen, one of each family, and what they are held against; of the calendars those that tell something."""
    best = cell.hindsight_calendar
    mine, tuned = cell.recommended, cell.tuned_calendar
    shown = [("oracle", cell.oracle), (f"best calendar in hindsight ({best.name})", best), (f"tuned calendar ({tuned.name})", tuned)]
    others = [one for one in (cell.never, cell.always, *cell.policies) if one.name != mine.name]
    kept = {one.name: one for one in others if one.family != "calendar" or one.name in {cell.never.name, cell.always.name}}
    return [*shown, (f"{mine.name} *", mine), *kept.items()]


def _whole(table: Table) -> None:
    """A table of numbers is of no use with its lines broken: it takes the width that it needs."""
    Console(markup=False, highlight=False, soft_wrap=True, width=max(console.width, 130)).print(table)


def _between(found: "tuple[float | None, float | None]") -> str:
    """An interval with its signs."""
    low, high = ("…" if one is None else f"{one:+.2f}" for one in found)
    return f"{low} to {high}"


def recorded(value: "Recorded") -> None:
    """Each decision that is not made again, and how many are."""
    for one in value.decisions:
        if one.state != "same":
            console.print(f"{one.decision}: {one.state}")
            for difference in one.differences:
                console.print(f"  {difference}")
    console.print(f"{value.model}: {value.same} of {counted(len(value.decisions), 'decision')} made again, {value.differing} otherwise")


def _estimated(value: "EstimatedResult") -> str:
    """The declared metric, or why it is not estimated."""
    one = value.metrics[value.metric]
    if one.value is None:
        return f"{value.metric} is not: {one.why}"
    return f"{value.metric} {_number(one.value)} ({_number(one.low)} to {_number(one.high)})"


def champion(value: "ChampionAt") -> None:
    """Every change, and who it was in the end."""
    for one in value.changes:
        former = f", before it version {one.previous}" if one.previous is not None else ""
        console.print(f"{one.at:%Y-%m-%d %H:%M:%S} UTC  version {one.version} by {one.by} ({one.kind}{former})")
        console.print(f"  because: {one.reason}")
        if one.evidence is not None:
            console.print(f"  evidence: {one.evidence}")
        if one.watch is not None:
            console.print(f"  watch: {_watch(one.watch)}")
    who = "nobody" if value.champion is None else f"version {value.champion.version}"
    console.print(f"{value.model} at {value.at:%Y-%m-%d %H:%M:%S} UTC: {who}")


def _watch(value: "WatchStatus") -> str:
    """The state of a watch, and the realised gain so far."""
    end = value.reason or f"until {value.until:%Y-%m-%d %H:%M} UTC"
    if value.gain is None:
        return f"{value.state}, {end}"
    gain = value.gain["value"] or value.gain["loss"]
    name = value.gain["metric"] if value.gain["value"] else "mean loss"
    between = "" if gain["low"] is None else f" ({gain['low']:+.4f} to {gain['high']:+.4f})"
    numbers = f"{_number(gain['champion'])} against {_number(gain['former'])}"
    return f"{value.state}: {name} {numbers}, gain {gain['gain']:+.4f}{between} on {counted(value.rows, 'row')}; {end}"


def reproduce(value: "Reproduced") -> None:
    """What is not as it was, then each metric then and now."""
    for difference in value.differences:
        console.print(f"note: {difference}")
    table = _table("metric", "recorded", "now", "", right=("recorded", "now"))
    for name, one in value.metrics.items():
        shown = ("–" if number is None else f"{number:.9g}" for number in (one.recorded, one.now))
        table.add_row(name, *shown, "" if one.same else "differs")
    console.print(table)
    verdict = "comes out the same" if value.matches else "does NOT come out the same"
    console.print(f"{value.model} version {value.version} {verdict} ({value.candidate}, dataset version {value.dataset_version})")


def status(value: "Status") -> None:
    """Each model in a few lines."""
    if not value.models:
        console.print("no model is declared; `perennial new NAME --from FILE --target COLUMN` makes one")
    for model in value.models:
        _model(model)


def _model(model: "ModelStatus") -> None:
    console.print(f"{model.model}" + ("" if model.declared else "  (its declaration has faults: `perennial check`)"))
    table = _table("", "")
    table.show_header = False
    champion = model.champion
    table.add_row(
        "  champion", f"version {champion.version} since {champion.since:%Y-%m-%d %H:%M} UTC ({champion.reason})" if champion else "none"
    )
    counts = ", ".join(f"{number} {name}" for name, number in model.batches.items())
    if champion is not None and champion.watch is not None:
        table.add_row("  watch", Text(_watch(champion.watch)))
    table.add_row("  batches", f"{counts}; dataset version {model.dataset_version if model.dataset_version is not None else '–'}")
    if (last := model.last_training) is not None:
        until = last.awaits_approval_until
        state = last.state if until is None else f"waits for approval until {until:%Y-%m-%d %H:%M} UTC"
        table.add_row("  last training", Text(f"{state}: version {last.version if last.version is not None else '–'} ({last.reason})"))
    if (window := model.last_window) is not None:
        share = "–" if window.drift_share is None else f"{window.drift_share:.0%} of columns drifted"
        quality = ", ".join(f"{name} {_number(number)}" for name, number in window.quality.items())
        table.add_row(
            "  last window", Text(f"{window.number}: {counted(window.rows, 'row')}, {share}" + (f"; {quality}" if quality else ""))
        )
        if window.estimated is not None:
            table.add_row("  estimated", Text(f"{_estimated(window.estimated)}; audit: {window.estimated.audit.sentence}"))
        if window.retrain is not None:
            table.add_row("  decision", Text(("retrain: " if window.retrain else "no: ") + "; ".join(window.reasons)))
    if (back := next((one for one in model.decisions if one.kind == "rollback"), None)) is not None:
        said = back.outcome or {}
        text = f"version {said.get('rolled_back')} to version {said.get('champion')}, {back.decided_at:%Y-%m-%d %H:%M} UTC ({back.id})"
        table.add_row("  rolled back", Text(text))
    if model.replay is not None:
        table.add_row("  replay", Text(f"{model.replay.at:%Y-%m-%d %H:%M} UTC: {model.replay.recommendation}"))
        if (answer := model.replay.answer) is not None and answer["approved"]:
            table.add_row("  yes to it", Text(f"{answer['by']}; `perennial replay {model.model} --apply` writes it"))
    table.add_row("  open decisions", str(len(model.open_decisions)))
    for asked in model.suggestions:
        table.add_row(
            "  suggested", Text(f"a training, until {asked.until:%Y-%m-%d %H:%M} UTC: `perennial confirm {model.model}` or with --no")
        )
    for failed in model.failures:
        table.add_row("  failed", Text(_failed(failed)))
    console.print(table)


def _failed(one: "Failure") -> str:
    return f"{one.id} after {one.tries} tries, last {one.run}: {one.error}. {one.cure}"


def addresses(value: "Addresses") -> None:
    """Where the stack is, and how to log in."""
    table = _table("", "")
    table.show_header = False
    table.add_row("Airflow", f"{value.airflow}  (user {value.user}, password in {value.password_file})")
    table.add_row("MLflow", value.mlflow)
    console.print(table)
