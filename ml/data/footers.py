"""What the footers of parquet files tell of their rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True)
class Footers:
    """The footers of all files of a batch, read once."""

    files: tuple[pq.FileMetaData, ...]

    def present(self, column: str) -> int | None:
        """How many rows have a value in a column, 0 where there is no such column; None where a footer does not tell."""
        counts = [_present(footer, column) for footer in self.files]
        return None if None in counts else sum(one for one in counts if one is not None)

    def latest(self, column: str) -> datetime | None:
        """The latest of a column of times; None where a footer does not tell, or there is none."""
        found = [_latest(footer, column) for footer in self.files]
        return None if None in found else max((one for one in found if one is not None), default=None)


def _present(footer: pq.FileMetaData, column: str) -> int | None:
    place = _place(footer, column)
    if place is None:
        return 0
    told = [footer.row_group(number).column(place).statistics for number in range(footer.num_row_groups)]
    if any(one is None or not one.has_null_count for one in told):
        return None
    return int(sum(footer.row_group(number).num_rows - one.null_count for number, one in enumerate(told)))


def _latest(footer: pq.FileMetaData, column: str) -> datetime | None:
    place = _place(footer, column)
    if place is None:
        return None
    told = [footer.row_group(number).column(place).statistics for number in range(footer.num_row_groups)]
    found: list[Any] = [one.max if one is not None and one.has_min_max else None for one in told]
    return max(found) if found and all(isinstance(one, datetime) for one in found) else None


def _place(footer: pq.FileMetaData, column: str) -> int | None:
    return next((number for number in range(footer.num_columns) if footer.schema.column(number).path == column), None)
