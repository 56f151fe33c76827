"""Commands for trainings, versions and champions."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli.app import Json, MaybeModel, Model, Reason, app
from ml.settings import Settings


@app.command()
def train(name: Model, reason: Reason = None, as_json: Json = False) -> None:
    """Train a challenger, and promote it if the gate lets it pass."""
    from ml import show
    from ml.jobs.train import train as job

    with show.progress("reading the accepted rows") as step:
        result = job(Settings.from_env(), name, reason=reason, on_progress=step)
    show.result(result, as_json, show.train)


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
def rollback(name: Model, reason: Reason = None, as_json: Json = False) -> None:
    """Make the former champion the champion again."""
    from ml import show
    from ml.jobs.champion import rollback as job

    result = job(Settings.from_env(), name, by=show.user(), reason=reason or "rolled back by hand")
    show.result(result, as_json, show.facts)
