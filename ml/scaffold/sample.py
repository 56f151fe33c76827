"""Reading the file that a model is inferred from, without being told how it is written."""

import codecs
import csv as csv_reader
import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pyarrow as pa

from ml.data.faults import Unreadable
from ml.data.reading import format_of, read
from ml.data.stores import store_of
from ml.errors import CallError
from ml.spec import Csv

_HEAD_BYTES = 1 << 20
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,15},\d{1,15}")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read. `url` is what `data.source.urls` may say; `kind` is set where the file's name does not tell the format."""

    table: pa.Table
    url: str
    kind: str | None
    format: str
    packed: bool
    csv: Csv
    notes: list[str]


def take(source: str) -> Sample:
    """Reads a file, or the first of those that a pattern matches. `CallError` if it cannot be read.

    Args:
        source: A path, or an fsspec URL.
    """
    url = source if "://" in source else str(Path(source).expanduser().resolve())
    first, notes = _first(url)
    with tempfile.TemporaryDirectory(prefix="perennial-") as folder:
        copy = Path(folder) / "sample"
        try:
            with fsspec.open(first, "rb") as stream, copy.open("wb") as target:
                shutil.copyfileobj(stream, target, _HEAD_BYTES)
        except (OSError, ValueError) as error:
            raise CallError(f"{source} cannot be read: {error}") from error
        name = first.rsplit("/", 1)[-1]
        head, packed = _head(copy, source)
        named = format_of(name)
        kind = named or _format(head)
        csv = _csv(head, source) if kind == "csv" else Csv()
        try:
            delivered = read(copy, name=name, csv=csv, kind=kind)
        except Unreadable as error:
            raise CallError(f"{source} cannot be read: {error}") from error
    notes += [f"{reason}: these rows were left out" for reason in delivered.reasons]
    return Sample(delivered.table, url, None if named else kind, kind, packed, csv, notes)


def _first(url: str) -> tuple[str, list[str]]:
    try:
        fs, path = store_of(url)
        if fs.isfile(path):
            return url, []
        found = sorted(str(name) for name in fs.glob(path)) if any(sign in path for sign in "*?[") else []
    except (OSError, ValueError) as error:
        raise CallError(f"{url} cannot be looked at: {error}") from error
    if not found:
        raise CallError(f"{url} does not exist" + ("; name one file in it" if fs.isdir(path) else ""))
    first = str(fs.unstrip_protocol(found[0])) if "://" in url else found[0]
    return first, [f"{len(found)} files match; inferred from the first, {first.rsplit('/', 1)[-1]}"]


def _head(path: Path, source: str) -> tuple[bytes, bool]:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise CallError(f"{source}: the gzip file is damaged or cut off: {error}") from error
    if not head.strip():
        raise CallError(f"{source} is empty")
    return head, packed


def _format(head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{") else "csv"


def _csv(head: bytes, source: str) -> Csv:
    encoding, text = _decoded(head)
    lines = list(csv_lines(text))
    if len(lines) < 2:
        raise CallError(f"{source} has a header and no rows" if lines else f"{source} is empty")
    separator = max(",;\t|", key=lambda sign: _fit(lines, sign))
    return Csv(separator=separator, decimal=_decimal(lines, separator), encoding=encoding)


def _decoded(head: bytes) -> tuple[str, str]:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", head[: len(head) // 2 * 2].decode("utf-16", errors="ignore")
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return "cp1252", head.decode("cp1252", errors="replace")
    return "utf-8", text


def csv_lines(text: str, *, limit: int = 500) -> list[str]:
    """The first whole lines."""
    lines = text.splitlines(keepends=True)
    if len(lines) > 2 and not lines[-1].endswith(("\n", "\r")):
        lines = lines[:-1]
    return lines[:limit]


def _fields(lines: list[str], separator: str) -> list[list[str]]:
    try:
        return [row for row in csv_reader.reader(io.StringIO("".join(lines), newline=""), delimiter=separator) if row]
    except csv_reader.Error:
        return []


def _fit(lines: list[str], separator: str) -> tuple[float, int]:
    """How well a separator explains the lines: the share of rows that have as many fields as the header, then how many fields."""
    rows = _fields(lines, separator)
    if not rows or len(rows[0]) < 2:
        return 0.0, 0
    same = Counter(len(row) == len(rows[0]) for row in rows)
    return round(same[True] / len(rows), 2), len(rows[0])


def _decimal(lines: list[str], separator: str) -> str:
    if separator == ",":
        return "."
    values = [value.strip() for row in _fields(lines, separator)[1:] for value in row]
    commas = sum(bool(_DECIMAL_COMMA.fullmatch(value)) for value in values)
    points = sum(bool(re.fullmatch(r"[+-]?\d+\.\d+", value)) for value in values)
    return "," if commas > points else "."
