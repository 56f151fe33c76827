"""What is printed of windows."""

from typing import TYPE_CHECKING

from rich.text import Text

from ml.show.terminal import console, digits, table_of
from ml.wording import chance, counted

if TYPE_CHECKING:
    from ml.jobs.beyond_results import EstimatedResult
    from ml.jobs.look_results import ColumnDrift
    from ml.jobs.monitor import MonitorResult
    from ml.jobs.reconcile import Failure
    from ml.jobs.report import Reported


def monitor(value: "MonitorResult") -> None:
    """How the champion does beside the former one, drift by column, quality, the decision, the report."""
    if value.watch is not None:
        state = "" if value.watch.state == "watching" else f"{value.watch.state.replace('_', ' ')}: "
        console.print(f"watch: {state}{value.watch.reason}")
    for failed in value.ledger.failed:
        console.print(f"failed: {failure_text(failed)}")
    if value.window is None or value.drift is None:
        console.print(f"{value.model}: nothing to look at: {value.reason}")
        return
    window = value.window
    console.print(f"{value.model}: window {window.number}, {counted(window.rows, 'row')}, {window.labelled_rows or 0} labelled")
    table = table_of("column", "method", "value", "threshold", "", right=("value", "threshold"))
    beside = {"the target": value.drift.target, "the predictions": value.drift.prediction}
    columns = sorted(value.drift.columns.items(), key=lambda item: -item[1].value)
    for name, one in [*columns, *((name, one) for name, one in beside.items() if one is not None)]:
        table.add_row(Text(name), one.method, digits(one.value), digits(one.threshold), _drifted(one))
    console.print(table)
    for name, number in value.quality.items():
        console.print(f"{name} {digits(number)} on {counted(value.quality_rows, 'labelled row')}")
    if value.estimated is not None:
        console.print(f"estimated without labels: {estimated(value.estimated)}; audit: {value.estimated.audit.sentence}")
    if value.decision is not None:
        console.print("decision: " + ("retrain" if value.decision.retrain else "do not retrain"))
        for reason in value.decision.reasons:
            console.print(f"  {reason}")
    console.print(f"report: {value.report}")


def _drifted(one: "ColumnDrift") -> str:
    """Whether a column has drifted; under a promise, how likely chance alone is."""
    said = "drifted" if one.drifted else ""
    return said if one.verdict is None else f"{said} {chance(one.verdict['p_value'])}".strip()


def report(value: "Reported") -> None:
    """What the history means, and where its page is."""
    console.print(" ".join(value.meaning))
    console.print(f"page: {value.page}")


def estimated(value: "EstimatedResult") -> str:
    """The declared metric, or why it is not estimated."""
    one = value.metrics[value.metric]
    if one.value is None:
        return f"{value.metric} is not: {one.why}"
    return f"{value.metric} {digits(one.value)} ({digits(one.low)} to {digits(one.high)})"


def failure_text(one: "Failure") -> str:
    """One line of a training that came to no end."""
    return f"{one.id} after {one.tries} tries, last {one.run}: {one.error}. {one.cure}"
