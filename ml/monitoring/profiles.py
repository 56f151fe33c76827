"""What is kept of a column so that it can be compared again and again: different values in order, and how often each stands there.

A profile is exact: every statistic of `ml.monitoring.distances` gives the same number from two profiles as from the two columns. The
reference's profiles are made once for each champion, so a window costs only itself.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Column: TypeAlias = "pa.ChunkedArray | pa.Array | pd.Series"


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
    def ordered(self) -> Floats:
        """Each finite value as often as it stands there, ascending."""
        return self.values if self.present == len(self.values) else np.repeat(self.values, self.counts)

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


@dataclass(frozen=True, slots=True)
class TextProfile:
    """A bounded draw of a text column: what a classifier learns from.

    Args:
        drawn: Texts that are there, at most as many as were asked for.
        present: How many rows have a text.
        rows: All rows.
    """

    drawn: pd.Series
    present: int
    rows: int

    @property
    def missing_share(self) -> float:
        """0-1; 1 where there are no rows."""
        return 1 - self.present / self.rows if self.rows else 1.0


Profile = NumericProfile | LabelProfile | TextProfile


def numeric(column: "Column | Floats") -> NumericProfile:
    """The profile of numbers; nulls, NaN and infinities count as missing, as Evidently has it."""
    numbers = _numbers(column)
    rows = len(numbers)
    finite = numbers if np.isfinite(numbers).all() else numbers[np.isfinite(numbers)]
    if not len(finite):
        return NumericProfile(np.empty(0), np.empty(0, dtype=np.int64), rows, 0.0)
    ordered = np.sort(finite)
    ends = np.flatnonzero(ordered[1:] != ordered[:-1])
    if len(ends) == len(ordered) - 1:
        return NumericProfile(ordered, np.ones(len(ordered), dtype=np.int64), rows, _std(finite))
    ends = np.append(ends, len(ordered) - 1)
    return NumericProfile(ordered[ends], np.diff(ends, prepend=-1), rows, _std(finite))


def labels(column: Column) -> LabelProfile:
    """The profile of labels; nulls count as missing."""
    array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, pa.string(), from_pandas=True)
    counted = pc.value_counts(array.cast(pa.string()).drop_null())
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return LabelProfile(dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))), len(array))


def text(column: Column, *, rows: int) -> TextProfile:
    """At most `rows` of the texts that are there, drawn without replacement; the same column gives the same draw.

    Of an Arrow column only what is drawn becomes Python's texts.
    """
    is_series = isinstance(column, pd.Series)
    present = np.flatnonzero(column.notna() if is_series else column.is_valid().to_numpy(zero_copy_only=False))
    places = present if present.size <= rows else np.random.RandomState(0).choice(present, rows, replace=False)
    drawn = column.iloc[places] if is_series else column.take(pa.array(places)).cast(pa.string()).to_pandas()
    return TextProfile(drawn, int(present.size), len(column))


def _numbers(column: "Column | Floats") -> Floats:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        found: Floats = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
        return found
    if isinstance(column, pd.Series):
        return column.to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(column, dtype=float)


def _std(finite: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # squares of very large numbers: whoever compares them divides them first
        return float(np.std(finite))
