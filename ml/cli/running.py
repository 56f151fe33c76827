"""Commands for the stack on this machine."""

import typer

from ml.cli.app import app
from ml.settings import Settings


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
