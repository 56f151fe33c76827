"""Commands for declarations and deliveries."""

from typing import Annotated

import typer

from ml.cli.app import Batch, Json, MaybeModel, Model, app, quarantine_app
from ml.settings import Settings


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and _.")],
    source: Annotated[str, typer.Option("--from", help="A file (csv, parquet, jsonl, also .gz), or an fsspec URL.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="The column that says when a row happened.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The column that identifies a row.")] = None,
    group: Annotated[str | None, typer.Option(help="The column that says whom a row is about: never on both sides of a split.")] = None,
    as_json: Json = False,
) -> None:
    """Make a model folder and an expectation suite, inferred from data."""
    from ml import show
    from ml.jobs.new import new as job

    settings = Settings.from_env()
    made = job(settings, name=name, source=source, target=target, time=time, id=id_, group=group)
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
