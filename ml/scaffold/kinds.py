"""What each column is: a number, a label, a text, a time, or nothing that a model should see."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from ml.data.casting import label_text, trimmed
from ml.data.datetimes import to_datetimes

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LEADING_ZERO = re.compile(r"0\d+")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}.*|\d{1,4}[./]\d{1,2}[./]\d{1,4}.*|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}.*")
_ID = re.compile(r"(^|[_ .-])(id|uuid|guid|key|identifier)$|.*[a-z](ID|Id)$|^(id|uuid)[_ .-]?", re.IGNORECASE)
_CODE = re.compile(r".*(?:[_ .-](?:id|code|zip|cd)|[a-z](?:ID|Id|Code))$|^(?:zip|zipcode|postcode)$")
_NO_VALUE = ("?", "-", "--", ".", "n/a", "#N/A", "#N/A N/A", "missing", "Missing")
_MOST_LABELS = 1000
_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class Profile:
    """One column. `kind` is a list of `features`; `why` is said beside an ignored column; `no_value` are texts that mean "missing"."""

    name: str
    kind: str
    distinct: int
    missing: int
    is_unique: bool
    is_whole: bool = False
    why: str = ""
    no_value: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_id(self) -> bool:
        """Whether it identifies rows, by its values and by its name."""
        return self.is_unique and self.missing == 0 and bool(_ID.search(self.name))


def profile(name: str, column: pa.ChunkedArray, *, decimal: str) -> Profile:
    """Looks at one column as it was read: text from csv, typed from parquet and jsonl."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    is_text = pa.types.is_string(column.type)
    if is_text:
        column = trimmed(column)
    rows = len(column)
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return Profile(name, "ignore", rows, column.null_count, False, why=f"holds {column.type}")
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    known = pc.unique(column.drop_null())
    missing, distinct = column.null_count, len(known)
    is_unique = distinct == rows - missing and distinct > 1
    if distinct == 0:
        return Profile(name, "ignore", 0, missing, False, why="empty")
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        kind, is_whole, no_value = "datetime", False, frozenset[str]()
    elif pa.types.is_boolean(column.type):
        kind, is_whole, no_value = "categorical", False, frozenset()
    elif is_text:
        kind, is_whole, no_value = _kind_of_text(known, decimal)
    else:
        kind, is_whole, no_value = "numeric", _all_whole(known), frozenset()
    if distinct == 1:
        return Profile(name, "ignore", distinct, missing, False, is_whole, f"always {_short(known[0].as_py())}", no_value)
    return _refined(Profile(name, kind, distinct, missing, is_unique, is_whole, no_value=no_value), known, rows)


def _short(value: object) -> str:
    return repr(label_text(value)[:40])


def _all_whole(known: pa.Array) -> bool:
    numbers = pc.cast(known, pa.float64(), safe=False)
    return bool(pc.all(pc.equal(numbers, pc.round(numbers))).as_py())


def _kind_of_text(known: pa.Array, decimal: str) -> tuple[str, bool, frozenset[str]]:
    values: list[str] = known.to_pylist()
    numbers = [value.replace(decimal, ".") if decimal != "." else value for value in values]
    strange = {value for value, number in zip(values, numbers, strict=True) if not _NUMBER.fullmatch(number)}
    no_value = frozenset(strange & set(_NO_VALUE))
    if len(strange) < len(values) and strange == no_value and not any(_LEADING_ZERO.fullmatch(number) for number in numbers):
        is_whole = all(float(number).is_integer() for value, number in zip(values, numbers, strict=True) if value not in strange)
        return "numeric", is_whole, no_value
    if _is_dates(values):
        return "datetime", False, frozenset()
    words = sum(len(value.split()) for value in values[:_LOOKED_AT]) / len(values[:_LOOKED_AT])
    length = sum(len(value) for value in values[:_LOOKED_AT]) / len(values[:_LOOKED_AT])
    is_text = len(values) > 50 and (words >= 4 or length >= 60)
    return ("text" if is_text else "categorical"), False, frozenset()


def _is_dates(values: list[str]) -> bool:
    some = values[:_LOOKED_AT]
    if not all(_DATE.fullmatch(value) for value in some):
        return False
    return bool(to_datetimes(pa.chunked_array([pa.array(some, pa.string())])).notna().all())


def _refined(found: Profile, known: pa.Array, rows: int) -> Profile:
    """Identifiers, row numbers and near-unique labels teach a model nothing; codes are labels although they look like numbers."""

    def ignored(why: str) -> Profile:
        return Profile(found.name, "ignore", found.distinct, found.missing, found.is_unique, found.is_whole, why, found.no_value)

    if found.is_id and (found.kind == "categorical" or found.is_whole):
        return ignored("identifies a row")
    if found.kind == "numeric" and found.is_unique and found.is_whole and rows >= 20 and _is_count(known, rows):
        return ignored("counts the rows")
    if found.kind == "numeric" and found.is_whole and found.distinct <= _MOST_LABELS and _CODE.match(found.name):
        return Profile(found.name, "categorical", found.distinct, found.missing, found.is_unique, found.is_whole, "", found.no_value)
    if found.kind == "categorical" and found.distinct > max(50, 0.5 * (rows - found.missing)):
        return ignored(f"{found.distinct} different values in {rows - found.missing} rows")
    if found.kind == "categorical" and found.distinct > _MOST_LABELS:
        return ignored(f"{found.distinct} different values")
    return found


def _is_count(known: pa.Array, rows: int) -> bool:
    numbers = pc.cast(known, pa.float64(), safe=False)
    low, high = (float(bound.as_py()) for bound in (pc.min(numbers), pc.max(numbers)))
    return high - low == rows - 1 and len(known) == rows


def data_like(names: Iterable[str]) -> bool:
    """Whether a header looks like a row of data."""
    listed = list(names)
    return sum(is_number(name) for name in listed) > len(listed) / 2


def is_number(text: str) -> bool:
    """Whether the text is one plain number."""
    return _NUMBER.fullmatch(text) is not None
