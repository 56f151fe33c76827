"""What failed, in one bounded sentence for whoever delivers the data."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ml.data.faults import shown

_LONGEST = 400
_VALUES: dict[str, str] = {
    "expect_column_values_to_not_be_null": "missing",
    "expect_column_values_to_be_null": "not missing",
    "expect_column_values_to_be_unique": "not unique",
    "expect_compound_columns_to_be_unique": "not unique together",
    "expect_column_values_to_be_increasing": "not greater than the one before",
    "expect_column_values_to_be_decreasing": "not less than the one before",
    "expect_column_pair_values_to_be_equal": "not equal",
}
"""Expectation → what a value that fails it is."""
_COLUMN_STATISTICS = ("min", "max", "mean", "median", "stdev", "sum")


def sentence(
    expectation: Mapping[str, Any], outcome: Any | None = None, *, rows: int | None = None, first: pd.DataFrame | None = None
) -> str:
    """The reason why an expectation failed: for one value of it without `outcome`, else for the whole delivery.

    Args:
        expectation: As it stands in the suite.
        outcome: Great Expectations' result.
        rows: Rows of the delivery.
        first: The first failing rows, as they stand in the table of failures.
    """
    if outcome is None:
        return shown(_fault_of_value(expectation), characters=_LONGEST)
    error = raised(outcome)
    if error is not None:
        return shown(f"{_subject(expectation)}{expectation['type']} could not be evaluated: {error}", characters=_LONGEST)
    result = outcome.result or {}
    if "unexpected_count" in result:
        return shown(_of_values(expectation, result, rows, first), characters=_LONGEST)
    return shown(_of_whole(expectation, result), characters=_LONGEST)


def _subject(expectation: Mapping[str, Any]) -> str:
    kwargs = expectation.get("kwargs", {})
    columns = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs] or list(kwargs.get("column_list", ()))
    if not columns:
        return ""
    return f"column{'s' if len(columns) > 1 else ''} {', '.join(repr(column) for column in columns)}: "


def raised(outcome: Any) -> str | None:
    """What an expectation raised inside Great Expectations, which writes it in two shapes; bounded. None if nothing."""
    found = outcome.exception_info or {}
    for one in [found, *(value for value in found.values() if isinstance(value, Mapping))]:
        if one.get("raised_exception"):
            return shown(" ".join(str(one.get("exception_message") or "no message").split()))
    return None


def _of_values(expectation: Mapping[str, Any], result: Mapping[str, Any], rows: int | None, first: pd.DataFrame | None) -> str:
    count, total = result["unexpected_count"], result.get("element_count", rows)
    mostly = expectation.get("kwargs", {}).get("mostly", 1)
    allowed = f", at most {_share(1 - mostly)} may be" if mostly is not None and mostly < 1 else ""
    said = f"{_subject(expectation)}{count} of {total} values are {_fault_of_value(expectation, alone=False)}{allowed}"
    if first is None or not len(first):
        return said
    missing = expectation["type"] == "expect_column_values_to_not_be_null"
    examples = [f"row {row}" if missing else f'row {row} "{shown(value, characters=40)}"' for row, value in _pairs(first)]
    return f"{said} (first: {', '.join(examples)}{', …' if count > len(first) else ''})"


def _pairs(first: pd.DataFrame) -> list[tuple[int, str]]:
    return list(zip(first["row"].tolist(), first["value"].tolist(), strict=True))


def _fault_of_value(expectation: Mapping[str, Any], *, alone: bool = True) -> str:
    """`not between 0 and 100`; with the column before it where it stands alone."""
    kind, kwargs = expectation["type"], expectation.get("kwargs", {})
    subject = _subject(expectation) if alone else ""
    if kind in _VALUES:
        return subject + _VALUES[kind]
    if kind == "expect_column_values_to_be_in_set":
        return f"{subject}not one of {_some(kwargs.get('value_set'))}"
    if kind == "expect_column_values_to_not_be_in_set":
        return f"{subject}one of {_some(kwargs.get('value_set'))}"
    if "regex" in kwargs:
        return f"{subject}{'matching' if '_not_match_' in kind else 'not matching'} {kwargs['regex']!r}"
    if kind == "expect_column_value_lengths_to_be_between":
        return f"{subject}not {_bounds(kwargs)} characters long"
    if kind == "expect_column_values_to_be_between":
        return f"{subject}not {_bounds(kwargs)}"
    return subject + _words(kind)


def _words(kind: str) -> str:
    """An expectation that has no sentence of its own: its name, read as the words that it is."""
    text = re.sub(r"^expect_(column_pair_values|column_values?|multicolumn_values?|multicolumn|compound_columns|column|table)_", "", kind)
    negated = text.startswith("to_not_")
    text = re.sub(r"^to_(not_)?(be_)?", "", text).replace("_", " ")
    return text if negated else f"not {text}"


def _of_whole(expectation: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    kind, kwargs = expectation["type"], expectation.get("kwargs", {})
    observed = _value(result.get("observed_value"))
    if kind == "expect_table_row_count_to_be_between":
        return f"the delivery has {observed} rows, expected {_bounds(kwargs)}"
    if kind in {"expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list"}:
        return f"the columns are not the expected ones: {_mismatch(result)}"
    for name in _COLUMN_STATISTICS:
        if kind == f"expect_column_{name}_to_be_between":
            return f"{_subject(expectation)}the {name} is {observed}, expected {_bounds(kwargs)}"
    what = _words(kind)
    bounds = f", expected {_bounds(kwargs)}" if kwargs.get("min_value") is not None or kwargs.get("max_value") is not None else ""
    return f"{_subject(expectation)}{what}: observed {observed}{bounds}"


def _mismatch(result: Mapping[str, Any]) -> str:
    found = (result.get("details") or {}).get("mismatched")
    if isinstance(found, Mapping):
        return "; ".join(f"{name} {_some(columns)}" for name, columns in found.items())
    return f"observed {_some(result.get('observed_value'))}"


def _bounds(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is None:
        return f"at most {_value(high)}"
    if high is None:
        return f"at least {_value(low)}"
    return f"between {_value(low)} and {_value(high)}"


def _value(value: object) -> str:
    if isinstance(value, float) and not isinstance(value, bool) and math.isfinite(value):
        return f"{value:.6g}" if not value.is_integer() or abs(value) >= 1e15 else str(int(value))
    return shown("none" if value is None else value, characters=80)


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def _some(values: Sequence[object] | None, limit: int = 6) -> str:
    listed = [repr(shown(value, characters=30)) if isinstance(value, str) else _value(value) for value in list(values or ())[:limit]]
    more = len(values or ()) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more > 0 else "")
