"""Commands for windows, replays and decisions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml.cli.app import Json, MaybeModel, Model, app
from ml.errors import CallError
from ml.settings import Settings

if TYPE_CHECKING:
    from ml.monitoring.replayed.facts import ReplayFacts


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
    name: MaybeModel = None,
    since: Annotated[str | None, typer.Option("--since", metavar="PERIOD", help="How far back: 30m, 12h, 7d or 2w. Default: 90d.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Default: history.html beside the reports.")] = None,
    site: Annotated[Path | None, typer.Option("--site", metavar="DIR", help="Every page, as a folder for any web server.")] = None,
    as_json: Json = False,
) -> None:
    """Write one HTML page of what was measured and decided; or with --site every page of all models, or of one."""
    from ml import show

    if site is not None:
        if out is not None:
            raise CallError("--out is for one page and --site for all of them; leave one out")
        from ml.jobs.site.exporting import export

        show.result(export(Settings.from_env(), site, model=name, since=since), as_json, show.exported)
        return
    from ml.jobs.report import PERIOD
    from ml.jobs.report import report as job

    if name is None:
        raise CallError("name a model, or write the pages of all with --site DIR")
    show.result(job(Settings.from_env(), name, since=since or PERIOD, out=out), as_json, show.report)


@app.command()
def replay(
    name: Model,
    window: Annotated[str | None, typer.Option("--window", metavar="SIZE", help="336rows, 7d or 1batch.")] = None,
    as_delivered: Annotated[bool | None, typer.Option("--as-delivered", help="Rows happened in the order of their delivery.")] = None,
    history: Annotated[int | None, typer.Option("--history", metavar="WINDOWS", help="A model learns from so many windows.")] = None,
    growing: Annotated[bool | None, typer.Option("--growing/--sliding", help="It learns from all windows before it.")] = None,
    lengths: Annotated[str | None, typer.Option("--lengths", metavar="LIST", help="Compare: 4,16,growing; fits all anew.")] = None,
    costs: Annotated[str | None, typer.Option("--costs", metavar="LIST", help="Of a retraining, such as 0.02,0.05.")] = None,
    shadow: Annotated[float | None, typer.Option("--shadow", metavar="SHARE", help="Which share of COSTS a fit costs.")] = None,
    tune_share: Annotated[float | None, typer.Option("--tune-share", metavar="SHARE", help="Windows that policies are chosen on.")] = None,
    label_delay: Annotated[str | None, typer.Option("--label-delay", metavar="DELAY", help="2d or 2windows.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="YAML with a `retraining` section to compare.")] = None,
    sample: Annotated[float | None, typer.Option("--sample", metavar="SHARE", help="Of each window's rows.")] = None,
    kept: Annotated[int | None, typer.Option("--kept", metavar="NUMBER", help="Instead: what an earlier replay found.")] = None,
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
    from ml.jobs import replay as job
    from ml.jobs.replaying.losses import Watcher

    options = asked.Options(
        window=window,
        as_delivered=as_delivered,
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
    if kept is not None:
        if options != asked.Options():
            raise CallError("--kept takes a replay as it was played; leave the other options out")
        _told(settings, job.kept(settings, name, kept), apply=apply, yes=yes, as_json=as_json)
        return
    try:
        with show.bar("models") as (say, advance):
            result = job.replay(settings, name, options, watcher=Watcher(say=say, advance=advance))
    except KeyboardInterrupt:
        typer.echo("interrupted: what was fitted is kept, and the same call goes on from there", err=True)
        raise
    _told(settings, result, apply=apply, yes=yes, as_json=as_json)


def _told(settings: Settings, found: "ReplayFacts", *, apply: bool, yes: bool, as_json: bool) -> None:
    from ml import show

    show.result(found, as_json, show.replay)
    if apply:
        _apply(settings, found, yes=yes, quiet=as_json)


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
def confirm(
    name: Model,
    no: Annotated[bool, typer.Option("--no", help="Do not train.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a suggested training (retraining.mode: suggest): yes, or with --no."""
    from ml import show
    from ml.jobs.suggestion import confirm as answer

    show.result(answer(Settings.from_env(), name, approved=not no, by=show.user()), as_json, show.facts)
