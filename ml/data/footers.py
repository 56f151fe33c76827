"""What the footer of a parquet file tells of its rows."""

from datetime import datetime
from typing import Any

import pyarrow.parquet as pq


def present(footer: pq.FileMetaData, column: str) -> int | None:
    """How many rows have a value in a column, 0 where there is no such column; None where the footer does not tell."""
    place = _place(footer, column)
    if place is None:
        return 0
    told = [footer.row_group(number).column(place).statistics for number in range(footer.num_row_groups)]
    if any(one is None or not one.has_null_count for one in told):
        return None
    return int(sum(footer.row_group(number).num_rows - one.null_count for number, one in enumerate(told)))


def latest(footer: pq.FileMetaData, column: str) -> datetime | None:
    """The latest of a column of times; None where the footer does not tell, or there is none."""
    place = _place(footer, column)
    if place is None:
        return None
    told = [footer.row_group(number).column(place).statistics for number in range(footer.num_row_groups)]
    found: list[Any] = [one.max if one is not None and one.has_min_max else None for one in told]
    return max(found) if found and all(isinstance(one, datetime) for one in found) else None


def _place(footer: pq.FileMetaData, column: str) -> int | None:
    return next((number for number in range(footer.num_columns) if footer.schema.column(number).path == column), None)
