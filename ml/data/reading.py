"""From the bytes of a delivery to a table of what stands in them, or one sentence why that is not possible."""

import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ml.data.csvfile import is_cut_off, read_csv
from ml.data.faults import Unreadable, first_few, no_failures, shown
from ml.spec import Csv, ModelSpec

_FORMATS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_FORMATS |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_LIKELY = {".txt": "csv", ".data": "csv"}
"""Endings that tell little: a declared format counts for more."""
_JSON_ROWS = 50_000
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery as it was read: csv as text, parquet and jsonl in their own types.

    `rows` numbers the rows of `table` in the delivery, from 1. `failures` names rows that have no place in the table. `warnings` says
    what may be wrong without being told for sure.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    failures: pd.DataFrame = field(default_factory=no_failures)
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(path: Path, *, name: str, csv: Csv, kind: str | None = None, declared: Collection[str] = ()) -> Delivered:
    """Reads a local copy of a delivery.

    Args:
        path: The local copy.
        name: The name that it was delivered under; its ending tells the format unless `kind` does.
        csv: How csv is written.
        kind: `csv`, `parquet` or `jsonl`.
        declared: Columns of which one at least stands in the header of a csv, if it is one.

    Raises:
        Unreadable: With the reason as its text.
    """
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head:
        raise Unreadable("the file is empty (0 bytes)")
    kind = kind or format_of(name)
    if kind is None:
        raise Unreadable(f"the format of {name!r} is not known by its name; end it in .csv, .parquet or .jsonl, or set data.source.format")
    packed = head[:2] == b"\x1f\x8b"
    if packed:
        head = _unpacked_head(path)
    _check_magic(kind, head)
    if kind == "parquet":
        delivered = _read_parquet(path, packed=packed)
    elif kind == "jsonl":
        delivered = _read_jsonl(path, packed=packed)
    else:
        table, rows, failures, reasons = read_csv(path, packed=packed, csv=csv, declared=declared)
        delivered = Delivered(table, rows, failures, reasons, _cut_off(path, packed=packed, rows=len(rows) + len(failures)))
    if delivered.table.num_rows == 0 and not delivered.reasons:
        raise Unreadable("there are no data rows" + (", only a header" if kind == "csv" else ""))
    return delivered


def format_of(name: str) -> str | None:
    """`csv`, `parquet` or `jsonl` by the ending of a file's name, `.gz` aside; None if it tells nothing."""
    return (_FORMATS | _LIKELY).get(_ending(name))


def kind_of(name: str, *, declared: str | None) -> str | None:
    """The format of a file: what its own name tells for sure, else what the declaration says; None if neither does."""
    return _FORMATS.get(_ending(name), declared)


def _ending(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix


def _cut_off(path: Path, *, packed: bool, rows: int) -> list[str]:
    if not is_cut_off(path, packed=packed):
        return []
    return [f"the file does not end with a newline: its last row may be cut off (row {rows})"]


def column_faults(table: pa.Table, spec: ModelSpec, *, csv: Csv | None = None) -> list[str]:
    """What is wrong with the columns as such: missing and undeclared ones.

    The target may be absent where `id` is declared: its labels can then arrive later.
    """
    delivered = list(table.column_names)
    late = {spec.target} if spec.id is not None else set()
    missing = [name for name in spec.columns if name not in delivered and name not in late]
    extra = [name for name in delivered if name not in spec.columns]
    faults = []
    if missing and len(delivered) == 1 and csv is not None and (found := _other_separator(delivered[0], csv.separator)):
        return [f"the rows have one column only, {shown(delivered[0], characters=80)!r}: separated by {found!r}, not by {csv.separator!r}?"]
    if missing:
        faults.append(f"missing columns: {first_few(missing)}")
    if extra:
        faults.append(f"undeclared columns: {first_few(extra)}; name them in the model's features (ignore keeps them from the model)")
    return faults


def _other_separator(header: str, separator: str) -> str | None:
    counts = {sign: header.count(sign) for sign in ",;\t|" if sign != separator}
    best = max(counts, key=lambda sign: counts[sign])
    return best if counts[best] else None


def _unpacked_head(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            return stream.read(4096)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"the gzip file is damaged or cut off: {shown(error)}") from error


def _check_magic(kind: str, head: bytes) -> None:
    if not head:
        raise Unreadable("the file is empty once unpacked")
    if kind == "parquet" and head[:4] != b"PAR1":
        raise Unreadable("this is not a parquet file: it does not start with PAR1")
    if kind != "parquet":
        for magic, what in ((b"PAR1", "a parquet file"), (b"PK\x03\x04", "a zip archive or a spreadsheet"), (b"%PDF", "a PDF")):
            if head.startswith(magic):
                raise Unreadable(f"this is {what}, not {kind}")


def _read_parquet(path: Path, *, packed: bool) -> Delivered:
    import pyarrow.parquet as pq

    try:
        if packed:
            with gzip.open(path) as stream:
                table = pq.read_table(pa.BufferReader(stream.read()))
        else:
            table = pq.ParquetFile(path, memory_map=True).read()
    except (pa.ArrowException, OSError, EOFError, zlib.error, ValueError) as error:
        raise Unreadable(f"the parquet file is damaged or cut off: {shown(error)}") from error
    names = table.column_names
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise Unreadable(f"columns stand twice: {first_few(doubled)}")
    for name in names:
        try:
            table.column(name).validate(full=True)
        except pa.ArrowException as error:
            raise Unreadable(f"the parquet file is damaged: column {shown(name, characters=60)!r}: {shown(error)}") from error
    index = [name for name in names if name.startswith("__index_level_") and name.endswith("__")]  # pandas' own row index, no data
    return Delivered(table.drop_columns(index).replace_schema_metadata(None), _numbered(table.num_rows))


def _numbered(rows: int) -> npt.NDArray[np.int64]:
    return np.arange(1, rows + 1, dtype=np.int64)


def _read_jsonl(path: Path, *, packed: bool) -> Delivered:
    rows: list[dict[str, Any]] = []
    names: dict[str, None] = {}
    parts: list[tuple[int, dict[str, list[Any]]]] = []
    try:
        for row in _json_rows(path, packed=packed):
            rows.append(row)
            if len(rows) >= _JSON_ROWS:
                parts.append(_columns(rows, names))
                rows = []
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"the gzip file is damaged or cut off: {shown(error)}") from error
    parts.append(_columns(rows, names))
    columns = {name: _array([part.get(name, [None] * count) for count, part in parts]) for name in names}
    total = sum(count for count, _ in parts)
    return Delivered(pa.table(columns), _numbered(total))


def _json_rows(path: Path, *, packed: bool) -> Iterator[dict[str, Any]]:
    with gzip.open(path) if packed else path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except UnicodeDecodeError as error:
                raise Unreadable(f"line {number} is not UTF-8 text: {shown(error)}") from error
            except (json.JSONDecodeError, RecursionError) as error:
                raise Unreadable(f"line {number} is not one JSON object: {shown(error)}") from error
            except ValueError as error:
                raise Unreadable(f"line {number} holds a whole number of thousands of digits") from error
            if not isinstance(row, dict):
                raise Unreadable(f"line {number} holds {type(row).__name__}, not a JSON object; write one object a line")
            if b"\\u" in line and (half := _SURROGATE.search(json.dumps(row, ensure_ascii=False))):
                raise Unreadable(f"line {number} holds half a character ({shown(half[0])}), which is no text: it was cut where it was made")
            yield row


def _columns(rows: list[dict[str, Any]], names: dict[str, None]) -> tuple[int, dict[str, list[Any]]]:
    for row in rows:
        names.update(dict.fromkeys(row))
    return len(rows), {name: [row.get(name) for row in rows] for name in names}


def _array(parts: list[list[Any]]) -> pa.ChunkedArray:
    """One type for the whole column; where the values are of several kinds, their text."""
    try:
        chunks = [pa.array(part) for part in parts]
        kinds = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
        if len(kinds) <= 1:
            kind = next(iter(kinds), pa.null())
            return pa.chunked_array([chunk.cast(kind) for chunk in chunks], type=kind)
        if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
            return pa.chunked_array([chunk.cast(pa.float64()) for chunk in chunks], type=pa.float64())
    except (pa.ArrowException, OverflowError):
        pass
    from ml.data.casting import label_text

    texts = [[None if value is None else label_text(value) for value in part] for part in parts]
    return pa.chunked_array([pa.array(part, pa.string()) for part in texts], type=pa.string())
