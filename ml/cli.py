"""The command `perennial`: does by hand whatever a DAG does, with the same functions.

Exit status: 0 done, 1 it failed and says why, 2 the call was wrong, 130 interrupted.
"""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml import private
from ml.errors import CallError, PerennialError
from ml.settings import Settings

if TYPE_CHECKING:
    from ml.monitoring.replayed.facts import ReplayFacts

app = typer.Typer(
    name="perennial",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps machine-learning models current on the Airflow that a team already runs.",
)
quarantine_app = typer.Typer(no_args_is_help=True, help="Batches that were not accepted: look, repair, release.")
app.add_typer(quarantine_app, name="quarantine")

Model = Annotated[str, typer.Argument(metavar="NAME", help="The model's name: its folder in dags/.")]
MaybeModel = Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model; default: all.")]
Batch = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id, or its first digits.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the record.")]


def main() -> None:
    """Runs the command; errors become messages and exit statuses."""
    private.set_environment()
    try:
        app()
    except PerennialError as error:
        typer.secho(f"perennial: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2 if isinstance(error, CallError) else 1)


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every step to the standard error.")] = False,
) -> None:
    """Keeps machine-learning models current on the Airflow that a team already runs."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("ml").setLevel(logging.INFO if verbose else logging.WARNING)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and _.")],
    source: Annotated[str, typer.Option("--from", help="A file (csv, parquet, jsonl, also .gz), or an fsspec URL.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="The column that says when a row happened.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The column that identifies a row.")] = None,
    as_json: Json = False,
) -> None:
    """Make a model folder and an expectation suite, inferred from data."""
    from ml import show
    from ml.jobs.new import new as job

    settings = Settings.from_env()
    made = job(settings, name=name, source=source, target=target, time=time, id=id_)
    show.result(made, as_json, show.new)


@app.command()
def check(name: MaybeModel = None, as_json: Json = False) -> None:
    """Find all faults of declarations, suites and DAG files at once."""
    from ml import show
    from ml.jobs.check import check as job

    result = job(Settings.from_env(), name)
    show.result(result, as_json, show.check)
    if result.faults:
        raise typer.Exit(1)


@app.command()
def ingest(
    name: Model,
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE…]", help="Default: what is new in the declared source.")] = None,
    as_json: Json = False,
) -> None:
    """Validate new deliveries; accept or quarantine each."""
    from ml import show
    from ml.jobs.ingest import ingest as job

    with show.progress("looking for deliveries") as step:
        result = job(
            Settings.from_env(),
            name,
            files or (),
            on_progress=lambda batch: step(f"{batch.status}: {batch.source}"),
        )
    show.result(result, as_json, show.ingest)
    if any(batch.status == "quarantined" for batch in result.batches):
        raise typer.Exit(1)


@quarantine_app.command("list")
def quarantine_list(name: Model, as_json: Json = False) -> None:
    """List the batches in quarantine."""
    from ml import show
    from ml.jobs.quarantine import listed as job

    show.result(job(Settings.from_env(), name), as_json, show.quarantine_list)


@quarantine_app.command("show")
def quarantine_show(name: Model, batch: Batch, as_json: Json = False) -> None:
    """Show why a batch is in quarantine, and its failing rows."""
    from ml import show
    from ml.jobs.quarantine import show as job

    show.result(job(Settings.from_env(), name, batch), as_json, show.quarantined)


@quarantine_app.command("release")
def quarantine_release(
    name: Model,
    batch: Batch,
    repaired: Annotated[str | None, typer.Option("--repaired", metavar="FILE", help="Accept this repaired file in its place.")] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Accept it although expectations fail; with --repaired: also for a file that was accepted before."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Validate a batch again (the suite may have changed, the file may be repaired) and accept it if it passes."""
    from ml import show
    from ml.jobs.quarantine import release as job

    released = job(Settings.from_env(), name, batch, repaired=repaired, force=force)
    show.result(released, as_json, show.batch)
    if released.status == "quarantined":
        raise typer.Exit(1)


@app.command()
def label(name: Model, file: Annotated[str, typer.Argument(metavar="FILE")], as_json: Json = False) -> None:
    """Take in late labels: a file with the id column and the target column."""
    from ml import show
    from ml.jobs.label import label as job

    result = job(Settings.from_env(), name, file)
    show.result(result, as_json, show.facts)
    if result.status == "refused":
        raise typer.Exit(1)


@app.command()
def train(name: Model, reason: Reason = None, as_json: Json = False) -> None:
    """Train a challenger, and promote it if the gate lets it pass."""
    from ml import show
    from ml.jobs.train import train as job

    with show.progress("reading the accepted rows") as step:
        result = job(Settings.from_env(), name, reason=reason, on_progress=step)
    show.result(result, as_json, show.train)


@app.command()
def monitor(name: Model, as_json: Json = False) -> None:
    """Measure drift and quality of the new rows, write the report, decide whether to retrain."""
    from ml import show
    from ml.jobs.monitor import monitor as job

    with show.progress("measuring"):
        result = job(Settings.from_env(), name)
    show.result(result, as_json, show.monitor)


@app.command()
def report(
    name: Model,
    since: Annotated[str, typer.Option("--since", metavar="PERIOD", help="How far back: 30m, 12h, 7d or 2w.")] = "90d",
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Default: history.html beside the reports.")] = None,
    as_json: Json = False,
) -> None:
    """Write one HTML page of what was measured and decided: drift, quality, decisions, champions."""
    from ml import show
    from ml.jobs.report import report as job

    show.result(job(Settings.from_env(), name, since=since, out=out), as_json, show.report)


@app.command()
def replay(
    name: Model,
    window: Annotated[str | None, typer.Option("--window", metavar="SIZE", help="336rows, 7d or 1batch.")] = None,
    history: Annotated[int | None, typer.Option("--history", metavar="WINDOWS", help="A model learns from so many windows.")] = None,
    growing: Annotated[bool | None, typer.Option("--growing/--sliding", help="It learns from all windows before it.")] = None,
    lengths: Annotated[str | None, typer.Option("--lengths", metavar="LIST", help="Compare: 4,16,growing; fits all anew.")] = None,
    costs: Annotated[str | None, typer.Option("--costs", metavar="LIST", help="Of a retraining, such as 0.02,0.05.")] = None,
    shadow: Annotated[float | None, typer.Option("--shadow", metavar="SHARE", help="Which share of COSTS a fit costs.")] = None,
    tune_share: Annotated[float | None, typer.Option("--tune-share", metavar="SHARE", help="Windows that policies are chosen on.")] = None,
    label_delay: Annotated[str | None, typer.Option("--label-delay", metavar="DELAY", help="2d or 2windows.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="YAML with a `retraining` section to compare.")] = None,
    sample: Annotated[float | None, typer.Option("--sample", metavar="SHARE", help="Of each window's rows.")] = None,
    recorded: Annotated[bool, typer.Option("--recorded", help="Instead: is each decision that was made made again?")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write the recommended policy into model.yaml; shows the diff.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before that.")] = False,
    as_json: Json = False,
) -> None:
    """Play retraining policies over the model's own accepted history, and say which pays. Defaults: `replay` in model.yaml."""
    from ml import show
    from ml.jobs.replaying import asked

    settings = Settings.from_env()
    if recorded:
        _again(settings, name, as_json=as_json)
        return
    if apply and as_json and not yes:
        raise CallError("--apply with --json has nobody to ask; add --yes")
    from ml.jobs.replay import replay as job
    from ml.jobs.replaying.losses import Watcher

    options = asked.Options(
        window=window,
        history=history,
        growing=growing,
        lengths=None if lengths is None else asked.lengths(lengths),
        costs=None if costs is None else asked.numbers(costs, option="--costs"),
        shadow=shadow,
        tune_share=tune_share,
        label_delay=label_delay,
        policy=policy,
        sample=sample,
    )
    try:
        with show.bar("models") as (say, advance):
            result = job(settings, name, options, watcher=Watcher(say=say, advance=advance))
    except KeyboardInterrupt:
        typer.echo("interrupted: what was fitted is kept, and the same call goes on from there", err=True)
        raise
    show.result(result, as_json, show.replay)
    if apply:
        _apply(settings, result, yes=yes, quiet=as_json)


def _again(settings: Settings, name: str, *, as_json: bool) -> None:
    from ml import show
    from ml.jobs.replaying.recorded import recorded as job

    with show.progress("deciding again"):
        found = job(settings, name)
    show.result(found, as_json, show.recorded)
    if found.differing:
        raise typer.Exit(1)


def _apply(settings: Settings, found: "ReplayFacts", *, yes: bool, quiet: bool) -> None:
    from ml.jobs.replaying import applying

    made = applying.proposal(settings, found)
    if not made.diff:
        why = "model.yaml says it already" if found.chosen.is_told else "too little is known to change model.yaml"
        typer.echo(f"nothing to write: {why}", err=True)
        return
    typer.echo("\n".join([made.diff, *made.notes]), err=quiet)
    if yes or typer.confirm("Write this?"):
        applying.write(made)
        typer.echo(f"wrote {made.path}; look at it with `git diff`, then `perennial check {found.model}`", err=quiet)


@app.command()
def score(
    name: Model,
    file: Annotated[str, typer.Argument(metavar="FILE")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="csv or parquet, by its name.")],
    as_json: Json = False,
) -> None:
    """Predict for the rows of a file with the champion."""
    from ml import show
    from ml.jobs.score import score_file as job

    show.result(job(Settings.from_env(), name, file, out), as_json, show.facts)


@app.command()
def status(name: MaybeModel = None, as_json: Json = False) -> None:
    """Show champion, last window, open decisions and quarantine."""
    from ml import show
    from ml.jobs.status import status as job

    show.result(job(Settings.from_env(), name), as_json, show.status)


@app.command()
def champion(
    name: Model,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="Who it was then: ISO 8601, UTC without a zone.")] = None,
    as_json: Json = False,
) -> None:
    """Show who is champion, or was at a moment, and every change until then: who, when, why, what it brought."""
    from ml import show
    from ml.jobs.history import champion_at as job

    show.result(job(Settings.from_env(), name, at), as_json, show.champion)


@app.command()
def reproduce(name: Model, version: Annotated[int, typer.Argument(metavar="VERSION", min=1)], as_json: Json = False) -> None:
    """Train a version again from what was recorded, and say whether its metrics match."""
    from ml import show
    from ml.jobs.reproduce import reproduce as job

    with show.progress("training again"):
        result = job(Settings.from_env(), name, version)
    show.result(result, as_json, show.reproduce)
    if not result.matches:
        raise typer.Exit(1)


@app.command()
def promote(
    name: Model,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1)],
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Make a version the champion."""
    from ml import show
    from ml.jobs.champion import promote_version as job

    result = job(Settings.from_env(), name, version, by=show.user(), reason=reason or "promoted by hand")
    show.result(result, as_json, show.facts)


@app.command()
def confirm(
    name: Model,
    no: Annotated[bool, typer.Option("--no", help="Do not train.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a suggested training (retraining.mode: suggest): yes, or with --no."""
    from ml import show
    from ml.jobs.suggestion import confirm as answer

    show.result(answer(Settings.from_env(), name, approved=not no, by=show.user()), as_json, show.facts)


@app.command()
def rollback(name: Model, reason: Reason = None, as_json: Json = False) -> None:
    """Make the former champion the champion again."""
    from ml import show
    from ml.jobs.champion import rollback as job

    result = job(Settings.from_env(), name, by=show.user(), reason=reason or "rolled back by hand")
    show.result(result, as_json, show.facts)


@app.command()
def up() -> None:
    """Start the whole stack on this machine: Airflow and MLflow."""
    from ml import show, stack

    with show.progress("starting") as step:
        addresses = stack.up(Settings.from_env(), on_progress=step)
    show.addresses(addresses)


@app.command()
def down() -> None:
    """End the stack: no process is left."""
    from ml import show, stack

    with show.progress("ending") as step:
        stack.down(Settings.from_env(), on_progress=step)


@app.command()
def demo() -> None:
    """Play the whole story on the running stack, with simulated loan applications."""
    from demo.story import main as play

    play(Settings.from_env())


@app.command(hidden=True)
def schema() -> None:
    """Print the JSON Schema of model.yaml."""
    import json

    from ml.spec import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
