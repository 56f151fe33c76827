"""The application, and the arguments that several commands take."""

import logging
import sys
from typing import Annotated

import typer

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


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every step to the standard error.")] = False,
) -> None:
    """Keeps machine-learning models current on the Airflow that a team already runs."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("ml").setLevel(logging.INFO if verbose else logging.WARNING)
