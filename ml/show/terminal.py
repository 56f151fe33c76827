"""Printing: one JSON object, or lines and tables for people; progress on the standard error."""

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

T = TypeVar("T", bound=BaseModel)

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


def table_of(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines; the columns in `right` stand at the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def digits(value: float | None) -> str:
    """Four digits, or a dash where there is no number."""
    return "–" if value is None else f"{value:.4g}"


def facts(value: BaseModel) -> None:
    """One line a field."""
    table = table_of("", "")
    table.show_header = False
    for name, content in value.model_dump(mode="json").items():
        table.add_row(name.replace("_", " "), Text(str("–" if content is None else content)))
    console.print(table)


def whole(table: Table) -> None:
    """A table of numbers is of no use with its lines broken: it takes the width that it needs."""
    Console(markup=False, highlight=False, soft_wrap=True, width=max(console.width, 130)).print(table)
