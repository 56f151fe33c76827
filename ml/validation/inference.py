"""A suite that is worth having, inferred from rows that are taken to be good.

It guards against damage (units, gaps, swapped or garbled columns), not against change: slow change of the world is what monitoring
is for, and a batch that is quarantined for it helps nobody. So every bound has a margin, each expectation says in its notes where
the bound comes from, and values that already changed within the rows that were seen are only warned about.
"""

import itertools
import math
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec
from ml.wording import percent

Content = dict[str, Any]

_BLOCKS = 4
_MOST_VALUES = 60
"""A column with more different values gets no set of allowed ones."""
_FEW_VALUES = 20
_FLAG_ROWS = 40
"""With fewer rows two whole numbers may be the beginning of a count."""
_FACTOR = 5


def infer_suite(frame: pd.DataFrame, spec: ModelSpec) -> Content:
    """A native Great Expectations suite for deliveries like these rows.

    Args:
        frame: Rows x declared columns, in the declared types; in order of time where `time` is declared, else of arrival.
        spec: The declaration that the rows belong to.
    """
    if spec.time is not None:
        frame = frame.sort_values(spec.time, kind="stable", na_position="last")
    expectations = [*_of_table(frame, spec)]
    for column in spec.columns:
        expectations += _of_column(frame[column], column, spec)
    return {
        "name": spec.model,
        "expectations": expectations,
        "meta": {
            "great_expectations_version": _version(),
            "notes": f"Inferred from {len(frame)} rows. Each expectation says where its bounds come from; correct what you know better.",
        },
    }


def _version() -> str:
    from importlib.metadata import version

    return version("great-expectations")


def _one(kind: str, notes: str, *, severity: str = "critical", **kwargs: Any) -> Content:
    return {"type": kind, "kwargs": kwargs, "meta": {"notes": notes}, "severity": severity}


def _of_table(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[Content]:
    yield _one(
        "expect_table_columns_to_match_set",
        "The declared columns: one that comes or goes is news for the model's owner.",
        column_set=list(spec.columns),
    )
    rows = len(frame)
    yield _one(
        "expect_table_row_count_to_be_between",
        f"{rows} rows were seen, perhaps of many deliveries at once, so only the impossible is refused. Narrow it to what is usual.",
        min_value=1,
        max_value=max(20 * rows, 100_000),
    )
    if rows >= 20:
        yield _one(
            "expect_table_row_count_to_be_between",
            f"{rows} rows were seen: a delivery of much fewer may be cut off, one of much more doubled. Only a warning.",
            severity="warning",
            min_value=rows // 20,
            max_value=5 * rows,
        )


def _of_column(values: "pd.Series[Any]", column: str, spec: ModelSpec) -> Iterator[Content]:
    if column == spec.id:
        yield _one("expect_column_values_to_not_be_null", "Without it, a prediction is never joined to its outcome.", column=column)
        if values.is_unique:
            yield _one("expect_column_values_to_be_unique", "Each row had its own: a row twice would count twice.", column=column)
        return
    if column == spec.time:
        yield _one("expect_column_values_to_not_be_null", "Splits and windows follow this time.", column=column)
        return
    yield from _nulls(values, column, spec)
    known = values.dropna()
    if known.empty or column == spec.group:  # customers and machines come new: no list of those that were seen
        return
    if column == spec.target and spec.task != "regression":
        yield from _classes(known, column)
    elif _is_flag(values, known):
        yield from _labels(known.astype("int64"), column)
    elif pd.api.types.is_numeric_dtype(values):
        yield from _range(known, column)
        if column != spec.target:
            yield from _typical(known, column)
    elif not pd.api.types.is_datetime64_any_dtype(values):
        if known.nunique() <= _MOST_VALUES and column not in spec.features.text:
            yield from _labels(known, column)
        else:
            yield from _length(known, column)


def _is_flag(values: "pd.Series[Any]", known: "pd.Series[Any]") -> bool:
    """Whether a column of numbers has two whole ones in enough rows: 0 and 1 are labels, and a range would allow what they are not."""
    is_number = pd.api.types.is_numeric_dtype(values)
    return is_number and len(known) >= _FLAG_ROWS and known.nunique() == 2 and bool((known == known.round()).all())


def _nulls(values: "pd.Series[Any]", column: str, spec: ModelSpec) -> Iterator[Content]:
    share = float(values.isna().mean())
    worst = max(float(block.isna().mean()) for block in _blocks(values))
    allowed = 0.05 if share == 0 else max(0.1, 3 * worst + 0.1)
    late = column == spec.target and spec.id is not None
    if column in spec.features.ignore:
        allowed = max(allowed, 0.5)
    if allowed >= 0.95 and not late:
        return
    missing, most = percent(share, digits=1), percent(worst, digits=1)
    seen = "None was missing" if share == 0 else f"{missing} were missing, {most} in the worst quarter of the rows"
    margin = f"{seen}; up to {percent(min(allowed, 0.95))} may be before the delivery counts as damaged."
    yield _one(
        "expect_column_values_to_not_be_null",
        f"{margin} Only a warning: labels may arrive later." if late else margin,
        severity="warning" if late else "critical",
        column=column,
        mostly=_rounded(1 - min(allowed, 0.95)),
    )


def _classes(known: "pd.Series[Any]", column: str) -> Iterator[Content]:
    values = sorted(known.unique().tolist())
    if len(values) > 1000:
        return
    unseen = _unseen(known)
    if unseen > 0.01:
        notes = f"The classes that were seen. Only a warning: up to {percent(unseen)} of a quarter of the rows were classes unseen before."
        yield _one("expect_column_values_to_be_in_set", notes, severity="warning", column=column, value_set=values, mostly=0.9)
        return
    notes = "The classes that were seen: another one is a fault of the delivery, or a model that must be declared anew."
    yield _one("expect_column_values_to_be_in_set", notes, column=column, value_set=values)


def _labels(known: "pd.Series[Any]", column: str) -> Iterator[Content]:
    unseen = _unseen(known)
    allowed = max(0.1, 3 * unseen)
    values = sorted(known.unique().tolist())
    if len(values) == 1:
        notes = "Only this value was seen, which tells little about the next delivery. Only a warning."
        yield _one("expect_column_values_to_be_in_set", notes, severity="warning", column=column, value_set=values, mostly=0.9)
        return
    if allowed > 0.5:
        often = f"in one quarter of the rows {percent(unseen)} were unseen before"
        notes = f"The values that were seen. Only a warning: {often}, so new ones are usual."
        yield _one("expect_column_values_to_be_in_set", notes, severity="warning", column=column, value_set=values, mostly=0.9)
        return
    notes = f"The values that were seen. A new value is usual and the model bears it; more than {percent(allowed)} of them is a fault."
    yield _one("expect_column_values_to_be_in_set", notes, column=column, value_set=values, mostly=_rounded(1 - allowed))


def _length(known: "pd.Series[Any]", column: str) -> Iterator[Content]:
    longest = int(known.astype(str).str.len().max())
    notes = f"The longest of those seen has {longest} characters; up to four times as many, but for 1 %."
    yield _one("expect_column_value_lengths_to_be_between", notes, column=column, min_value=1, max_value=max(4 * longest, 20), mostly=0.99)


def _range(known: "pd.Series[Any]", column: str) -> Iterator[Content]:
    low, high = float(known.min()), float(known.max())
    span = high - low
    distinct = int(known.nunique())
    is_whole = bool((known == known.round()).all())
    never_negative = low >= 0 and (is_whole or distinct >= _FEW_VALUES)
    seen = f"{_short(low)} to {_short(high)} were seen"
    moves = _moves(known)
    if distinct < _FEW_VALUES and not is_whole:
        bound = 10 * max(abs(low), abs(high), 1e-9)
        below, above, margin = -bound, bound, f"only {distinct} different ones, so the margin is ten times the largest"
    else:
        reach = span if distinct >= _FEW_VALUES else max(2 * span, abs(low), abs(high), 10)
        below = 0.0 if never_negative else low - reach
        above = high + reach
        how = "as much again" if distinct >= _FEW_VALUES else "wide, as there are few different ones"
        margin = f"{how}{' above, and never negative' if never_negative else ' on both sides'}"
    rule = "Only a warning: it moved on from quarter to quarter of the rows, so the next delivery will lie further on."
    yield _one(
        "expect_column_values_to_be_between",
        f"{seen}; the margin is {margin}. {rule if moves else '1 % may lie outside: single extremes are usual, a wrong unit is not.'}",
        severity="warning" if moves else "critical",
        column=column,
        min_value=_floor(below, spread=span),
        max_value=_ceil(above, spread=span),
        mostly=0.99,
    )


def _moves(known: "pd.Series[Any]") -> bool:
    """Whether it goes up or down with the rows, as a date written as a number or a meter does: the quarters hardly overlap."""
    blocks = _blocks(known)
    if len(known) < 10 * _BLOCKS or known.nunique() < _BLOCKS:
        return False
    edges = [(float(block.quantile(0.1)), float(block.quantile(0.9))) for block in blocks]
    rising = all(before[1] <= after[0] for before, after in itertools.pairwise(edges))
    return (rising or all(before[0] >= after[1] for before, after in itertools.pairwise(edges))) and edges[0] != edges[-1]


def _typical(known: "pd.Series[Any]", column: str) -> Iterator[Content]:
    """A wrong unit moves the bulk, also where the tail is so long that no range would notice."""
    if known.nunique() < 10 or _moves(known):
        return
    medians = [float(block.median()) for block in _blocks(known)]
    low, high = float(known.quantile(0.02)), float(known.quantile(0.98))
    spread = float(known.max()) - float(known.min())
    scale = max(abs(middle) for middle in medians)
    if scale == 0:
        yield from _average(known, column)
        return
    above = max(_FACTOR * scale, min(high, 30 * scale))
    if float(known.min()) < 0 or known.nunique() < _FEW_VALUES:
        below = -above
    else:
        below = 0.0 if scale < 3 and bool((known == known.round()).all()) else min(min(medians) / _FACTOR, low)
    yield _one(
        "expect_column_median_to_be_between",
        f"The median was {_short(float(known.median()))}. Beyond {_FACTOR} times as much it is a wrong unit or another column, not change. "
        "Widen it if deliveries have fewer than some 20 rows.",
        column=column,
        min_value=_floor(min(below, 0.0) if max(medians) <= 0 else below, spread=spread),
        max_value=_ceil(above, spread=spread),
    )


def _average(known: "pd.Series[Any]", column: str) -> Iterator[Content]:
    """Where most values are 0, the mean of quarters stands in for the median."""
    largest = max(abs(float(block.mean())) for block in _blocks(known))
    if largest == 0:
        return
    notes = f"The mean was {_short(float(known.mean()))}, at most {_short(largest)} in a quarter of the rows; up to 20 times that."
    above = _ceil(20 * largest, spread=20 * largest)
    below = 0.0 if float(known.min()) >= 0 else -above
    yield _one("expect_column_mean_to_be_between", notes, column=column, min_value=below, max_value=above)


def _blocks(values: "pd.Series[Any]") -> "list[pd.Series[Any]]":
    """The rows in four quarters, in their order: how much they differ tells how much the next delivery may."""
    edges: npt.NDArray[np.int64] = np.linspace(0, len(values), _BLOCKS + 1).astype(np.int64)
    return [values.iloc[start:end] for start, end in itertools.pairwise(edges) if end > start]


def _unseen(known: "pd.Series[Any]") -> float:
    """The largest share of a quarter whose values did not occur before it."""
    before: set[Any] = set()
    shares = []
    for block in _blocks(known):
        if before:
            shares.append(float((~block.isin(before)).mean()))
        before |= set(block.unique().tolist())
    return max(shares, default=0.0)


def _rounded(value: float) -> float:
    """A share: four significant digits read better than sixteen."""
    return float(f"{value:.4g}")


def _floor(value: float, *, spread: float) -> float:
    """The bound with four significant digits, or as many more as tell a hundredth of the spread; never above `value`."""
    return _outward(value, spread=spread, direction=ROUND_FLOOR)


def _ceil(value: float, *, spread: float) -> float:
    """The same, never below `value`."""
    return _outward(value, spread=spread, direction=ROUND_CEILING)


def _outward(value: float, *, spread: float, direction: str) -> float:
    """Ids and times written as numbers are large beside their spread: four digits of them would leave no value within its bounds."""
    if value == 0 or not math.isfinite(value):
        return value
    magnitude = math.floor(math.log10(abs(value)))
    exponent = magnitude - 3
    if 0 < spread < math.inf:
        exponent = min(exponent, math.floor(math.log10(spread)) - 2)
    exact = max(exponent, magnitude - 16)  # a float has no more than seventeen digits
    return float(Decimal(value).quantize(Decimal(1).scaleb(exact), rounding=direction))


def _short(value: float) -> str:
    return f"{value:.4g}"
