"""The command `perennial`: does by hand whatever a DAG does, with the same functions.

Exit status: 0 done, 1 it failed and says why, 2 the call was wrong, 130 interrupted.
"""

import sys

import typer

from ml import private
from ml.cli.app import app
from ml.errors import CallError, PerennialError

# isort: off
from ml.cli import deliveries, versions, watching, running
# isort: on
# in the order in which --help lists their commands

__all__ = ["app", "deliveries", "main", "running", "versions", "watching"]


def main() -> None:
    """Runs the command; errors become messages and exit statuses."""
    private.set_environment()
    try:
        app()
    except PerennialError as error:
        typer.secho(f"perennial: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2 if isinstance(error, CallError) else 1)
