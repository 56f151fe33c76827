"""What is kept of a column so that it can be compared again and again: different values in order, and how often each stands there.

A profile is exact: every statistic of `ml.monitoring.distances` gives the same number from two profiles as from the two columns. The
reference's profiles are made once for each champion, so a window costs only itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NumericProfile:
    """The finite values of a numeric column.

    Args:
        values: The different values, ascending.
        counts: How often each stands there; as long as `values`.
        rows: All rows, with those that have no finite value.
        std: The standard deviation (ddof 0) of the finite values, as numpy computes it over the column; 0 where there is none.
    """

    values: Floats
    counts: Counts
    rows: int
    std: float

    @property
    def present(self) -> int:
        """Rows with a finite value."""
        return int(self.counts.sum())

    @property
    def missing_share(self) -> float:
        """0-1; 1 where there are no rows."""
        return 1 - self.present / self.rows if self.rows else 1.0

    @property
    def largest(self) -> float:
        """The largest absolute value; 0 where there is none."""
        return float(max(-self.values[0], self.values[-1])) if len(self.values) else 0.0

    def divided(self, by: float) -> "NumericProfile":
        """The profile of the column divided by a positive number."""
        values = self.values / by
        return NumericProfile(values, self.counts, self.rows, _std(np.repeat(values, self.counts)))


@dataclass(frozen=True, slots=True)
class LabelProfile:
    """The labels of a categorical column: text to how many rows, most frequent first, ties by text."""

    counts: dict[str, int]
    rows: int

    @property
    def present(self) -> int:
        """Rows with a label."""
        return sum(self.counts.values())

    @property
    def missing_share(self) -> float:
        """0-1; 1 where there are no rows."""
        return 1 - self.present / self.rows if self.rows else 1.0


def numeric(column: "pa.ChunkedArray | pa.Array | pd.Series | npt.NDArray[np.float64]") -> NumericProfile:
    """The profile of numbers; nulls, NaN and infinities count as missing, as Evidently has it."""
    numbers = _numbers(column)
    rows = len(numbers)
    finite = numbers if np.isfinite(numbers).all() else numbers[np.isfinite(numbers)]
    if not len(finite):
        return NumericProfile(np.empty(0), np.empty(0, dtype=np.int64), rows, 0.0)
    ordered = np.sort(finite)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(np.append(starts, len(ordered)))
    return NumericProfile(ordered[starts], counts.astype(np.int64), rows, _std(finite))


def labels(column: "pa.ChunkedArray | pa.Array | pd.Series") -> LabelProfile:
    """The profile of labels; nulls count as missing."""
    array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, pa.string(), from_pandas=True)
    counted = pc.value_counts(array.cast(pa.string()).drop_null())
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return LabelProfile(dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))), len(array))


def _numbers(column: "pa.ChunkedArray | pa.Array | pd.Series | npt.NDArray[np.float64]") -> Floats:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        found: Floats = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
        return found
    if isinstance(column, pd.Series):
        return column.to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(column, dtype=float)


def _std(finite: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # squares of very large numbers: whoever compares them divides them first
        return float(np.std(finite))
