"""Dates and times in the many ways that they are delivered, as microseconds in UTC."""

import warnings
from typing import Any, Final, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_EPOCH_UNITS: tuple[tuple[int, int, Literal["s", "ms", "us", "ns"]], ...] = (
    (10**8, 10**11, "s"),
    (10**11, 10**14, "ms"),
    (10**14, 10**17, "us"),
    (10**17, 10**19, "ns"),
)
"""Whole numbers between the first two are epochs in the third: 1973 to 5138 in seconds, and so on."""
_US = {"s": 10**6, "ms": 10**3, "us": 1}
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999: what lies outside is a damaged value, and Python has no date for it."""
UTC_TYPE: Final = "datetime64[us, UTC]"


def to_datetimes(column: pa.ChunkedArray) -> "pd.Series[Any]":
    """One aware time for each value, NaT where it is missing or no time. Times without zone are taken as UTC.

    Text may be ISO 8601, an epoch, or any one form that pandas recognizes and that fits the whole column; where day and month
    could be either, the month comes first. Whole numbers are epochs (s, ms, us, ns by size) or `YYYYMMDD`.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _of_type(column)
    if pa.types.is_string(kind):
        try:  # ISO 8601 without zone, the usual form, ten times as fast
            return _of_type(column.cast(pa.timestamp("us")))
        except pa.ArrowInvalid:
            pass
        encoded = column.combine_chunks().dictionary_encode()
        known = _from_text(pd.Series(encoded.dictionary.to_pylist(), dtype=object))
        codes = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        times: pd.Series[Any] = pd.concat([known, _no_times(pd.RangeIndex(1))], ignore_index=True).iloc[codes]
        return times.reset_index(drop=True)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_numbers(column.to_pandas().astype("float64"))
    return _no_times(pd.RangeIndex(len(column)))


def _of_type(column: pa.ChunkedArray) -> "pd.Series[Any]":
    column = _in_range(column)
    kind = column.type
    if pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
        column = column.cast(pa.timestamp("us"), safe=False).cast(pa.timestamp("us", "UTC"))
    else:
        column = column.cast(pa.timestamp("us", "UTC"), safe=False)
    times: pd.Series[Any] = column.to_pandas()
    return times.astype(UTC_TYPE)


def _in_range(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without the times that lie outside of the years 1 to 9999."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column
    numbers = column.cast(pa.int32()).cast(pa.int64()) if pa.types.is_date32(kind) else column.cast(pa.int64())
    size = 86_400 * 10**6 if pa.types.is_date32(kind) else _US["ms" if pa.types.is_date64(kind) else kind.unit]
    inside = pc.and_(pc.greater_equal(numbers, -(-_FIRST_US // size)), pc.less_equal(numbers, _LAST_US // size))
    return column if pc.all(inside, min_count=0).as_py() else pc.if_else(inside, column, pa.scalar(None, kind))


def _from_text(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    if texts.empty:
        return texts.astype(UTC_TYPE)
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all():
        return _from_numbers(numbers.astype("float64"))
    times = _parsed(texts, "ISO8601")
    if times.isna().sum() * 2 > len(texts):  # not its form: a few wrong values must not change how the others are read
        with_form = _parsed(texts, _form(texts))
        times = with_form if with_form.isna().sum() < times.isna().sum() else times
    return times.astype(UTC_TYPE)


def _parsed(texts: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas could not name the form: it then reads value by value
        return pd.to_datetime(texts, format=form, utc=True, errors="coerce")


def _form(texts: "pd.Series[Any]") -> str | None:
    """The form that fits the most values of a sample: the first value alone may be ambiguous (01/02/2020) or wrong."""
    from pandas.tseries.api import guess_datetime_format

    sample = texts.head(1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # both orders of day and month are tried on purpose
        guesses = {guess for text in sample.head(200) for first in (False, True) if (guess := guess_datetime_format(text, dayfirst=first))}
    return min(guesses, key=lambda form: (int(_parsed(sample, form).isna().sum()), form.startswith("%d"), form), default=None)


def _from_numbers(numbers: "pd.Series[Any]") -> "pd.Series[Any]":
    times = _no_times(numbers.index)
    whole = numbers.notna() & (numbers % 1 == 0)
    days = whole & numbers.between(10_000_101, 99_991_231)
    if days.any():
        times[days] = _parsed(numbers[days].astype("int64").astype(str), "%Y%m%d").astype(UTC_TYPE)
    for low, high, unit in _EPOCH_UNITS:
        here = numbers.notna() & (numbers >= low) & (numbers < high)
        if here.any():
            times[here] = pd.to_datetime(numbers[here], unit=unit, utc=True, errors="coerce").astype(UTC_TYPE)
    return times


def _no_times(index: "pd.Index[Any]") -> "pd.Series[Any]":
    return pd.Series(pd.NaT, index=index, dtype=UTC_TYPE)
