"""What the bootstrap draws: rows where they are exchangeable, else the blocks or groups within which they are alike."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec

MINIMUM_BLOCKS = 30
"""Fewer, longer blocks would say too little about how much blocks differ (Schmeiser 1982: 10 to 30 batches)."""


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn with replacement. `of_row` is the unit of each row, 0 to `count` - 1."""

    name: str
    of_row: npt.NDArray[np.int64]
    count: int


def units_of(spec: ModelSpec, frame: pd.DataFrame) -> tuple[Units, ...]:
    """The units of these rows: groups where `group` is declared, blocks where `time` is, both where both are, else rows."""
    found = []
    if spec.group is not None:
        found.append(groups(frame[spec.group]))
    if spec.time is not None:
        found.append(blocks(frame[spec.time]))
    return tuple(found) or (Units("rows", np.arange(len(frame)), len(frame)),)


def groups(column: pd.Series) -> Units:
    """One unit a value; each row without a value is one of its own."""
    codes, values = pd.factorize(column)
    unknown = codes < 0
    codes[unknown] = len(values) + np.arange(int(unknown.sum()))
    return Units(f"values of {column.name!r}", codes.astype(np.int64), len(values) + int(unknown.sum()))


def blocks(times: pd.Series) -> Units:
    """Disjoint blocks of consecutive rows in time order (Carlstein 1986; Künsch 1989 for overlapping ones).

    A block has the square root of the number of rows, which grows with them as consistency demands (Flegal & Jones 2010), but there are
    at least `MINIMUM_BLOCKS`. Rows of the same time keep their order; those without one come first.
    """
    rows = len(times)
    length = max(1, min(math.isqrt(rows), rows // MINIMUM_BLOCKS))
    count = max(1, rows // length) if rows else 0
    order = times.reset_index(drop=True).sort_values(kind="stable", na_position="first").index.to_numpy()
    of_row = np.empty(rows, dtype=np.int64)
    of_row[order] = np.minimum(np.arange(rows) // length, count - 1)
    return Units(f"blocks of {length} rows in time order", of_row, count)
