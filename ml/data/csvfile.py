"""Reading csv: fast where it is well made, and with exact row numbers where it is not."""

import codecs
import csv as csv_reader
import gzip
import io
import itertools
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from ml.data.faults import FAILURE_COLUMNS, Unreadable, first_few, no_failures, shown
from ml.spec import Csv

_BLOCK_BYTES = 4 << 20
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

Read = tuple[pa.Table, npt.NDArray[np.int64], pd.DataFrame, list[str]]


def read_csv(path: Path, *, packed: bool, csv: Csv, declared: Collection[str] = ()) -> Read:
    """The table as text, the number of each of its rows, and the rows that have too few or too many fields.

    A first line in which none of the `declared` columns stands is no header; without any it is one whatever it says.

    Raises:
        Unreadable: No table can be made of it.
    """
    names = _header(path, packed=packed, csv=csv, declared=declared)
    ragged: list[arrow_csv.InvalidRow] = []
    table = _arrow(path, packed=packed, csv=csv, names=names, ragged=ragged, threads=True)
    _check_quotes(path, packed=packed, table=table, ragged=ragged)
    _check_text(table)
    if not ragged:
        return table, np.arange(1, table.num_rows + 1, dtype=np.int64), no_failures(), []
    ragged.clear()
    table = _arrow(path, packed=packed, csv=csv, names=names, ragged=ragged, threads=False)  # only one thread counts the rows
    return _with_ragged(table, ragged, len(names))


def is_cut_off(path: Path, *, packed: bool) -> bool:
    """Whether the last line has no end: it may have been cut off within its last value, which nothing else would tell."""
    with _open(path, packed=packed) as stream:
        if packed:  # only reading on leads to its end
            last = b""
            while block := stream.read(_BLOCK_BYTES):
                last = (last + block)[-2:]
        else:
            stream.seek(max(0, path.stat().st_size - 2))
            last = stream.read()
    return not (set(last.replace(b"\x00", b"")[-1:]) & set(b"\r\n"))


def _open(path: Path, *, packed: bool) -> IO[bytes]:
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _header(path: Path, *, packed: bool, csv: Csv, declared: Collection[str]) -> list[str]:
    try:
        encoding = codecs.lookup(csv.encoding).name
    except LookupError as error:
        raise Unreadable(f"data.source.csv.encoding {csv.encoding!r} is not known") from error
    with _open(path, packed=packed) as stream:
        start = stream.read(4)
        if start[:2] in _BOMS and "16" not in encoding:
            raise Unreadable(f"the text is {_BOMS[start[:2]]}, not {csv.encoding}: set data.source.csv.encoding, or deliver {csv.encoding}")
        stream.seek(0)
        text = io.TextIOWrapper(stream, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")
        try:
            names = next(csv_reader.reader(text, delimiter=csv.separator), [])
        except UnicodeDecodeError as error:
            raise _explained(path, packed=packed, csv=csv, error=error) from error
        except csv_reader.Error as error:
            raise Unreadable(f"the header cannot be read: {shown(error)}") from error
    if not any(name.strip() for name in names):
        raise Unreadable("the first line is empty: there is no header")
    # As pandas names them: written by pandas with its index, a csv has a nameless first column.
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(names)]
    if any("\x00" in name for name in names):
        raise Unreadable("this is binary data or another encoding, not csv text")
    if declared and not _names_one(names, declared):
        begins = shown(csv.separator.join(names), characters=80)
        raise Unreadable(f"the first line is no header: none of the declared columns stands in it; it begins {begins!r}")
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise Unreadable(f"columns stand twice: {first_few(doubled)}")
    return names


def _names_one(names: list[str], declared: Collection[str]) -> bool:
    """Whether a declared column stands there, if perhaps in other case or between other separators: what is told of these helps more."""
    known = {name.strip().casefold() for name in declared}
    parts = {part for name in names for sign in ",;\t|" for part in (name, *name.split(sign))}
    return any(part.strip(" '\"").casefold() in known for part in parts)


def _arrow(path: Path, *, packed: bool, csv: Csv, names: list[str], ragged: list[arrow_csv.InvalidRow], threads: bool) -> pa.Table:
    def skip(row: arrow_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    read_options = arrow_csv.ReadOptions(
        use_threads=threads, block_size=_BLOCK_BYTES, column_names=names, skip_rows_after_names=1, encoding=csv.encoding
    )
    parse_options = arrow_csv.ParseOptions(delimiter=csv.separator, newlines_in_values=True, invalid_row_handler=skip)
    convert_options = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=list(csv.missing), strings_can_be_null=True
    )
    try:
        with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, "gzip") if packed else file as stream:
            return arrow_csv.read_csv(stream, read_options, parse_options, convert_options)
    except UnicodeDecodeError as error:
        raise Unreadable(f"the text is not {csv.encoding}: {shown(error)}") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _explained(path, packed=packed, csv=csv, error=error) from error


def _explained(path: Path, *, packed: bool, csv: Csv, error: Exception) -> Unreadable:
    """Why Arrow gave up, in words that name the place."""
    try:
        with _open(path, packed=packed) as stream:
            if not any(line.strip() for line in itertools.islice(stream, 1, 1000)):
                return Unreadable("there are no data rows, only a header")
        with _open(path, packed=packed) as stream:
            decoder = codecs.getincrementaldecoder(csv.encoding)()
            for line, content in enumerate(itertools.chain(stream), start=1):
                try:
                    decoder.decode(content)
                except UnicodeDecodeError as fault:
                    byte = content[fault.start : fault.start + 1].hex()
                    return Unreadable(
                        f"line {line} is not {csv.encoding} text: byte 0x{byte}; set data.source.csv.encoding or deliver it so"
                    )
    except (OSError, EOFError, zlib.error) as fault:
        return Unreadable(f"the gzip file is damaged or cut off: {shown(fault)}")
    return Unreadable(f"the csv cannot be read: {shown(error)}")


def _check_quotes(path: Path, *, packed: bool, table: pa.Table, ragged: list[arrow_csv.InvalidRow]) -> None:
    """A quote that is never closed swallows the rest of the file into one value, without any complaint."""
    last = [column[-1].as_py() or "" for column in table.columns] if table.num_rows else []
    if not any("\n" in text for text in (*last, *(row.text for row in ragged))):
        return
    with _open(path, packed=packed) as stream:
        quotes = sum(block.count(b'"') for block in iter(lambda: stream.read(_BLOCK_BYTES), b""))
    if quotes % 2:
        raise Unreadable(f"a quote is opened and never closed; the last row that could be told apart is {table.num_rows}")


def _check_text(table: pa.Table) -> None:
    """A zero byte is valid UTF-8 and no text: disks and transfers that failed leave it behind."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        for chunk in column.chunks:
            text = chunk.buffers()[2]
            if text is not None and not np.frombuffer(text, dtype=np.uint8).all():
                found = pc.index(pc.match_substring(column, "\x00"), True).as_py()
                if found >= 0:
                    raise Unreadable(f"the file is damaged: a zero byte stands in column {name!r}, data row {found + 1}")


def _with_ragged(table: pa.Table, ragged: list[arrow_csv.InvalidRow], width: int) -> Read:
    numbers = np.array([row.number - 1 for row in ragged], dtype=np.int64)  # Arrow counts the header as row 1
    total = table.num_rows + len(numbers)
    rows = np.setdiff1d(np.arange(1, total + 1, dtype=np.int64), numbers, assume_unique=True)
    reasons = [f"{row.actual_columns} fields where the header has {width}" for row in ragged]
    content = {
        "row": numbers,
        "column": "",
        "expectation": "fields",
        "value": [shown(row.text) for row in ragged],
        "reason": reasons,
    }
    failures = pd.DataFrame(content).astype(FAILURE_COLUMNS)
    reason = f"{len(ragged)} rows do not have {width} fields as the header has (first: row {numbers[0]} with {ragged[0].actual_columns})"
    return table, rows, failures, [reason]
