"""From what was delivered to the types that the declaration promises.

The declaration decides, not the delivery: the same value arrives alike from csv, parquet and jsonl.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.data.datetimes import UTC_TYPE, to_datetimes
from ml.data.faults import FAILURE_COLUMNS, first_few, no_failures, shown
from ml.spec import ModelSpec

Mask = npt.NDArray[np.bool_]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
KINDS = {"numeric": pa.float64(), "datetime": pa.timestamp("us", "UTC"), "label": pa.string(), "text": pa.string()}
"""The kinds of column that a declaration knows, and how each is kept."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A delivery in the declared types. `failures` has one line for each value that could not be converted (it is missing in `frame`)."""

    frame: pd.DataFrame
    failures: pd.DataFrame
    reasons: list[str]


def label_text(value: object) -> str:
    """The one text of a label, however it was delivered: 1, 1.0, "1" and " 1 " are the same class.

    >>> label_text(1.0), label_text(" yes "), label_text(True), label_text(0.5)
    ('1', 'yes', 'True', '0.5')
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace").strip()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return str(value)


def column_kinds(spec: ModelSpec) -> dict[str, str]:
    """Column → `numeric`, `datetime`, `label` or `text`, in the order of `spec.columns`."""
    kinds = dict.fromkeys(spec.columns, "label")
    kinds |= dict.fromkeys(spec.features.numeric, "numeric")
    kinds |= dict.fromkeys(spec.features.text, "text")
    kinds |= dict.fromkeys(spec.features.datetime, "datetime")
    if spec.time is not None:
        kinds[spec.time] = "datetime"
    kinds[spec.target] = "numeric" if spec.task == "regression" else "label"
    return kinds


def cast(table: pa.Table, *, kinds: dict[str, str], rows: npt.NDArray[np.int64], decimal: str = ".") -> Cast:
    """Converts each column of `kinds`; a column that the table lacks becomes all missing.

    Args:
        table: What was read; its columns are text (csv) or typed (parquet, jsonl).
        kinds: Column → kind, as `column_kinds` gives them.
        rows: The number of each row in the delivery, from 1.
        decimal: The decimal sign of numbers that are text.
    """
    columns: dict[str, object] = {}
    failures: list[pd.DataFrame] = []
    reasons: list[str] = []
    for name, kind in kinds.items():
        if name not in table.column_names:
            columns[name] = _missing(kind, table.num_rows)
            continue
        delivered = table.column(name)
        converted, bad = _CONVERTERS[kind](_plain(delivered), decimal)
        columns[name] = converted
        if bad.any():
            found = _failures(name, kind, delivered, bad, rows)
            failures.append(found)
            reasons.append(_reason(name, kind, found, decimal=decimal))
    frame = pd.DataFrame(columns, copy=False, index=pd.RangeIndex(table.num_rows))
    return Cast(frame, pd.concat(failures, ignore_index=True) if failures else no_failures(), reasons)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_float16(kind):  # few of Arrow's functions know it
        return column.cast(pa.float32())
    return column


def _missing(kind: str, rows: int) -> object:
    if kind == "numeric":
        return np.full(rows, np.nan)
    if kind == "datetime":
        return pd.Series(pd.NaT, index=pd.RangeIndex(rows), dtype=UTC_TYPE)
    return np.full(rows, None, dtype=object)


def _failures(name: str, kind: str, delivered: pa.ChunkedArray, bad: Mask, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
    where = np.flatnonzero(bad)
    values = [shown(label_text(value)) for value in _values(delivered.take(pa.array(where)))]
    reason = {"numeric": "not a finite number", "datetime": "not a date or time"}.get(kind, "cannot be converted")
    content = {"row": rows[where], "column": name, "expectation": "type", "value": values, "reason": f"{name}: {reason}"}
    return pd.DataFrame(content).astype(FAILURE_COLUMNS)


def _reason(name: str, kind: str, found: pd.DataFrame, *, decimal: str) -> str:
    what = {"numeric": "finite numbers", "datetime": "dates or times"}.get(kind, "convertible")
    values = [str(value) for value in found["value"].unique()]
    cure = "; for a decimal comma declare data.source.csv.decimal: ','" if kind == "numeric" and _has_commas(values, decimal) else ""
    return f"column {name!r}: {len(found)} values are not {what}: {first_few(values)} (first in row {found['row'].iloc[0]}){cure}"


def _has_commas(values: list[str], decimal: str) -> bool:
    """Whether these seem to be numbers with a decimal comma; 1,234 may have one between thousands."""
    commas = [value for value in values if "," in value]
    return decimal == "." and all(map(_COMMA.fullmatch, commas)) and not all(map(_THOUSANDS.fullmatch, commas))


def _numeric(column: pa.ChunkedArray, decimal: str) -> tuple[object, Mask]:
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan), np.zeros(len(column), dtype=bool)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        numbers = _float_array(pc.cast(column, pa.float64(), safe=False))
    elif pa.types.is_string(kind):
        text = trimmed(column)
        if decimal != ".":
            text = pc.replace_substring(text, decimal, ".")
        try:
            numbers = _float_array(pc.cast(text, pa.float64()))
        except pa.ArrowInvalid:
            return _numeric_by_value(text)
    else:
        return np.full(len(column), np.nan), ~_nulls(column)
    bad = np.isinf(numbers)
    if bad.any():
        numbers[bad] = np.nan
    return numbers, bad


def _float_array(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = column.to_numpy()
    return numbers if numbers.flags.writeable else numbers.copy()


def _numeric_by_value(text: pa.ChunkedArray) -> tuple[object, Mask]:
    """The slow way, once a value was found that is no number: each different text is looked at by itself."""
    encoded = text.combine_chunks().dictionary_encode()
    known = [float(value) if _NUMBER.fullmatch(value) else np.nan for value in encoded.dictionary.to_pylist()]
    nan_texts = [value.lower() == "nan" for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    numbers = np.append(np.array(known, dtype=float), np.nan)[codes]
    numbers[np.isinf(numbers)] = np.nan
    is_missing = np.append(np.array(nan_texts, dtype=bool), True)[codes]
    return numbers, np.isnan(numbers) & ~is_missing


def _label(column: pa.ChunkedArray, _: str) -> tuple[object, Mask]:
    if pa.types.is_string(column.type):
        return _objects(trimmed(column)), np.zeros(len(column), dtype=bool)
    return _labels_by_value(column)


def _labels_by_value(column: pa.ChunkedArray) -> tuple[object, Mask]:
    nulls = _nulls(column)
    if pa.types.is_floating(column.type):
        nulls |= np.isnan(_float_array(pc.cast(column, pa.float64())))
    good = np.zeros(len(column), dtype=bool)
    if pa.types.is_null(column.type):
        return np.full(len(column), None, dtype=object), good
    if pa.types.is_nested(column.type):
        texts = np.array([None if value is None else label_text(value) for value in _values(column)], dtype=object)
        return texts, good
    encoded = column.combine_chunks().dictionary_encode()
    known = np.array([*(None if value is None else label_text(value) for value in _values(encoded.dictionary)), None], dtype=object)
    texts = known[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    texts[nulls] = None
    return texts, good


def _values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """As Python has them; as Arrow writes them where Python has none (the year 20000)."""
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        values = column.cast(pa.string()).to_pylist()
    return values


def _text(column: pa.ChunkedArray, decimal: str) -> tuple[object, Mask]:
    if not pa.types.is_string(column.type):
        return _label(column, decimal)
    return _objects(column), np.zeros(len(column), dtype=bool)


def _objects(column: pa.ChunkedArray) -> object:
    return column.to_pandas(deduplicate_objects=True).to_numpy()


def _datetime(column: pa.ChunkedArray, _: str) -> tuple[object, Mask]:
    times = to_datetimes(trimmed(column) if pa.types.is_string(column.type) else column)
    return times, (times.isna().to_numpy() & ~_nulls(trimmed(column) if pa.types.is_string(column.type) else column))


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text without white space around it; blank text is missing."""
    text = pc.utf8_trim_whitespace(column)
    blank = pc.equal(text, "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), text) if pc.any(blank).as_py() else text


def _nulls(column: pa.ChunkedArray) -> Mask:
    nulls: Mask = column.is_null().to_numpy()
    return nulls.copy()


_CONVERTERS: dict[str, Callable[[pa.ChunkedArray, str], tuple[object, Mask]]] = {
    "numeric": _numeric,
    "datetime": _datetime,
    "label": _label,
    "text": _text,
}
