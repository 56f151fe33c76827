"""What is printed of trainings, champions and the whole."""

from typing import TYPE_CHECKING

from rich.text import Text

from ml.show.terminal import console, digits, table_of
from ml.show.watching import estimated, failure_text
from ml.wording import counted, moment

if TYPE_CHECKING:
    from ml.jobs.history import ChampionAt, WatchStatus
    from ml.jobs.reproduce import Reproduced
    from ml.jobs.status import ModelStatus, Status, WindowStatus
    from ml.jobs.train import TrainResult
    from ml.stack import Addresses


def train(value: "TrainResult") -> None:
    """What was trained, and what the gate said."""
    console.print(
        f"{value.model}: version {value.version} is {value.candidate!r} of dataset version {value.dataset_version} ({value.reason})"
    )
    console.print(value.verdict)
    console.print(f"version {value.version} is what was tested, fitted again on all rows, the tested ones too")
    table = table_of("metric", "all test rows", right=("all test rows",))
    for name, number in value.metrics.items():
        table.add_row(name, digits(number))
    console.print(table)
    for warning in value.warnings:
        console.print(f"warning: {warning}")
    console.print(f"champion: {'version ' + str(value.champion) if value.champion is not None else 'none'}")


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
    end = value.reason or f"until {moment(value.until)}"
    if value.gain is None:
        return f"{value.state} beside version {value.former}, no label has come yet; {end}"
    gain = value.gain["value"] or value.gain["loss"]
    name = value.gain["metric"] if value.gain["value"] else "mean loss"
    between = "" if gain["low"] is None else f" (95 % interval {gain['low']:+.4f} to {gain['high']:+.4f})"
    numbers = f"{name} {digits(gain['champion'])} (version {value.former}: {digits(gain['former'])})"
    return f"{value.state}: {numbers} on the same {counted(value.rows, 'row')}, gain {gain['gain']:+.4f}{between}; {end}"


def reproduce(value: "Reproduced") -> None:
    """What is not as it was, then each metric then and now."""
    for difference in value.differences:
        console.print(f"note: {difference}")
    table = table_of("metric", "recorded", "now", "", right=("recorded", "now"))
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
    table = table_of("", "")
    table.show_header = False
    champion = model.champion
    table.add_row(
        "  champion",
        Text(f"version {champion.version} since {moment(champion.since)} ({_why(champion.reason)})" if champion else "none"),
    )
    counts = ", ".join(f"{number} {name}" for name, number in model.batches.items())
    if champion is not None and champion.watch is not None:
        table.add_row("  watch", Text(_watch(champion.watch)))
    table.add_row("  batches", f"{counts}; dataset version {model.dataset_version if model.dataset_version is not None else '–'}")
    if (last := model.last_training) is not None:
        until = last.awaits_approval_until
        state = last.state if until is None else f"waits for approval until {moment(until)}"
        why = "" if champion is not None and champion.reason == last.reason else f" ({_why(last.reason)})"
        table.add_row("  last training", Text(f"{state}: version {last.version if last.version is not None else '–'}{why}"))
    if (window := model.last_window) is not None:
        quality = ", ".join(f"{name} {digits(number)}" for name, number in window.quality.items())
        table.add_row(
            "  last window", Text("; ".join(filter(None, [f"{window.number}: {counted(window.rows, 'row')}", _drift(window), quality])))
        )
        if window.estimated is not None:
            table.add_row("  estimated", Text(f"{estimated(window.estimated)}; audit: {window.estimated.audit.sentence}"))
        if window.retrain is not None:
            table.add_row("  decision", Text("\n".join(["retrain:" if window.retrain else "do not retrain:", *window.reasons])))
    if (back := next((one for one in model.decisions if one.kind == "rollback"), None)) is not None:
        said = back.outcome or {}
        text = f"version {said.get('rolled_back')} to version {said.get('champion')}, {moment(back.decided_at)} ({back.id})"
        table.add_row("  rolled back", Text(text))
    if model.replay is not None:
        table.add_row("  replay", Text(f"{moment(model.replay.at)}: {model.replay.recommendation.split('. ')[0].rstrip('.')}"))
        if (answer := model.replay.answer) is not None and answer["approved"]:
            table.add_row("  yes to it", Text(f"{answer['by']}; `perennial replay {model.model} --apply` writes it"))
    table.add_row("  open decisions", str(len(model.open_decisions)))
    for asked in model.suggestions:
        table.add_row("  suggested", Text(f"a training, until {moment(asked.until)}: `perennial confirm {model.model}` or with --no"))
    for failed in model.failures:
        table.add_row("  failed", Text(failure_text(failed)))
    console.print(table)


def _why(reason: str) -> str:
    """A reason without what the decision that it names tells itself."""
    return reason.partition(": ")[0] if reason.startswith("asked by ") else reason


def _drift(window: "WindowStatus") -> str:
    """How many columns have drifted: which, the decision tells."""
    if not window.columns:
        return ""
    also = "".join(f", and the {'predictions' if kind == 'prediction' else kind}" for kind in window.also_drifted)
    return f"{len(window.drifted)} of {counted(window.columns, 'column')} drifted{also}"


def addresses(value: "Addresses") -> None:
    """Where the stack is, and how to log in."""
    table = table_of("", "")
    table.show_header = False
    table.add_row("Airflow", f"{value.airflow}  (user {value.user}, password in {value.password_file})")
    table.add_row("MLflow", value.mlflow)
    console.print(table)
