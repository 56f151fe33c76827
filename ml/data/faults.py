"""What can be wrong with a delivery before any expectation is asked."""

import pandas as pd

FAILURE_COLUMNS = {"row": "int64", "column": "object", "expectation": "object", "value": "object", "reason": "object"}
"""One line for each failing row and column: `row` counts the delivery's data rows from 1."""
_SHOWN_CHARACTERS = 200


class Unreadable(Exception):
    """A delivery that cannot become a table; `str(error)` says why in one bounded sentence.

    It never leaves a job: the delivery is quarantined with this reason.
    """


def no_failures() -> pd.DataFrame:
    """An empty table of failures."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in FAILURE_COLUMNS.items()})


def shown(value: object, *, characters: int = _SHOWN_CHARACTERS) -> str:
    """The value as bounded text that any store can keep: half characters and zero bytes are written out."""
    text = str(value)[: characters + 1].encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return text if len(text) <= characters else text[: characters - 1] + "…"


def first_few(values: list[str], *, limit: int = 5) -> str:
    """`'a', 'b', 'c', 'd', 'e' and 4 more`: give all the values, the number of those that are not shown is counted here."""
    head = ", ".join(repr(shown(value, characters=60)) for value in values[:limit])
    return head if len(values) <= limit else f"{head} and {len(values) - limit} more"
