"""The columns of a window, read a few at a time, measured side by side, and let go: memory does not follow the table's width.

Texts are the exception: one column at a time, with nothing beside it.
"""

import os
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import pandas as pd
import pyarrow as pa

from ml.errors import NoData
from ml.monitoring.drift import Pin, compare, profile_of
from ml.monitoring.looks import Look, look
from ml.monitoring.profile_file import ReferenceProfile, plot_rows, positions
from ml.state.records import Drift

CHUNK_CELLS = 16_000_000
"""Values that are read at a time: as 64-bit floats 128 MB, or a single column where that is longer, or of texts."""
_WORKERS = 4
Read = Callable[[Sequence[str]], Any]
"""Names of columns → something that gives each by its name: an Arrow table or a frame, with the rows in the same order each time."""


@dataclass(frozen=True, slots=True)
class MeasuredColumns:
    """What was measured of each column, in the order of the pins, and a bounded draw of the window's rows for plots.

    Either `drifts`, by fixed thresholds, or `looks`, which a promised rate of false alarms is judged from.
    """

    drifts: list[Drift]
    drawn: pd.DataFrame
    looks: list[Look]


def chunks(columns: Sequence[str], *, rows: int, texts: Container[str] = ()) -> Iterator[Sequence[str]]:
    """The columns, so many at a time that a chunk has at most `CHUNK_CELLS` values, and at least one column; one of `texts` stands alone.

    Texts weigh what their words weigh, which nobody knows before they are read.
    """
    width = max(1, CHUNK_CELLS // max(rows, 1))
    chunk: list[str] = []
    for name in columns:
        if chunk and (len(chunk) == width or name in texts or chunk[0] in texts):
            yield chunk
            chunk = []
        chunk.append(name)
    if chunk:
        yield chunk


def texts_of(pins: Sequence[Pin]) -> set[str]:
    """The columns that are measured as texts."""
    return {pin.column for pin in pins if pin.measured_as == "text"}


def measure_columns(
    pins: Sequence[Pin], *, reference: ReferenceProfile, read: Read, rows: int, draw: int, is_promised: bool = False
) -> MeasuredColumns:
    """Measures each pinned column of a window against the kept reference.

    Memory: one chunk of columns, and for each of at most four threads a few times one column; beside it the draw. Of texts: one column.

    Args:
        pins: What to measure.
        reference: The champion's.
        read: Reads columns of the window.
        rows: The window's rows.
        draw: At most so many rows are drawn for plots; fewer where the columns are many.
        is_promised: Whether a promised rate of false alarms judges, rather than fixed thresholds.

    Raises:
        NoData: The window has no rows, or the reference has none or lacks a column.
        ModelOwnerError: A statistic is not a finite number.
    """
    for side, count in (("reference", reference.rows), ("window", rows)):
        if not count:
            raise NoData(f"the {side} has no rows, so no drift can be measured; wait for data, or train again")
    by_name, texts = {pin.column: pin for pin in pins}, texts_of(pins)
    places = pa.array(positions(rows, plot_rows(draw, columns=len(by_name))))
    measure = _looked if is_promised else _measured
    found: list[Drift | Look] = []
    drawn: dict[str, pd.Series] = {}
    with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as workers:
        for names in chunks(list(by_name), rows=rows, texts=texts):
            table = read(names)
            # What tells texts apart sets the warnings of the whole process, so it runs here, with no thread beside it.
            run: Callable[..., Iterator[Drift | Look]] = map if names[0] in texts else workers.map
            found += run(measure, [by_name[name] for name in names], repeat(reference), (table[name] for name in names))
            drawn |= {name: _taken(table[name], places) for name in names}
            del table  # or two chunks would be held while the next one is read
    drifts, looks = [one for one in found if isinstance(one, Drift)], [one for one in found if isinstance(one, Look)]
    return MeasuredColumns(drifts, pd.DataFrame(drawn, copy=False), looks)


def _measured(pin: Pin, reference: ReferenceProfile, column: Any) -> Drift:
    return compare(pin, reference=reference.profile(pin.column), window=profile_of(pin, column))


def _looked(pin: Pin, reference: ReferenceProfile, column: Any) -> Look:
    own = reference.own_windows(pin.column)
    return look(pin, reference=reference.profile(pin.column), window=profile_of(pin, column), own=own)


def _taken(column: Any, places: pa.Array) -> pd.Series:
    taken: pd.Series = (
        column.iloc[places.to_numpy()].reset_index(drop=True) if isinstance(column, pd.Series) else column.take(places).to_pandas()
    )
    return taken
