"""What the footer of a parquet file tells of its rows."""

import pyarrow.parquet as pq


def present(footer: pq.FileMetaData, column: str) -> int | None:
    """How many rows have a value in a column, 0 where there is no such column; None where the footer does not tell."""
    place = next((number for number in range(footer.num_columns) if footer.schema.column(number).path == column), None)
    if place is None:
        return 0
    found = 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        told = group.column(place).statistics
        if told is None or not told.has_null_count:
            return None
        found += group.num_rows - told.null_count
    return found
