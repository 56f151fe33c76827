"""The reference of a champion as one file: the profile of each column, what its own windows say, and a bounded draw of its rows for plots.

A parquet file whose row groups are of one column each (its profile, its draw), so that a column is read without the others, also from a
remote store. Exact profiles of numbers that are all different are as large as the column: they are read one by one and let go.
"""

import json
import logging
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.data.stores import own_store_of
from ml.errors import NoData, OperatorError, StoreUnavailable
from ml.monitoring.alarms.own_windows import NO_TIME, OwnWindows
from ml.monitoring.profiles import LabelProfile, NumericProfile, Profile, TextProfile

log = logging.getLogger(__name__)

TESTED = "-tested"
"""Ends the name, without `.parquet`, of the file of the rows that a training was tested on: it stays and goes with the reference."""
FORMAT = 5
"""A file of another format is made anew."""
PLOT_CELLS = 2_000_000
"""Values that are drawn for plots, of all columns together: as 64-bit floats 16 MB."""
_SCHEMA = pa.schema([("values", pa.float64()), ("counts", pa.int64()), ("labels", pa.string())])
_KEY = "perennial.profile"
_GROUP_ROWS = 1 << 25
"""Rows of a row group: a profile with more different values has several. Arrow itself ends a group at 2**26, whatever it is asked for."""
_BROKEN = (OSError, ValueError, KeyError, pa.ArrowNotImplementedError)
"""What Arrow says of bytes that are no parquet file. A store that fails is told apart by `_Answering`."""


class BrokenProfile(OperatorError):
    """The file was opened and a column of it cannot be read: it is to be removed, and is then made anew."""

    retryable = True


@dataclass(frozen=True, slots=True)
class KeptColumn:
    """One column of the reference.

    Args:
        name: None for the predictions.
        profile: What it is compared by.
        drawn: Its rows for plots, in their order.
        own: What its own windows say, where its rows have a time.
    """

    name: str | None
    profile: Profile
    drawn: pd.Series
    own: OwnWindows = NO_TIME


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: str
    rows: int
    present: int
    std: float
    profile_groups: Sequence[int]
    drawn_groups: Sequence[int]
    own: dict[str, Any]


class _Answering:
    """A stream for Arrow to read from; what the store fails with is no `OSError`, so that one is Arrow's word about the bytes."""

    def __init__(self, stream: Any, url: str) -> None:
        self._stream, self._url = stream, url

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, size: int = -1) -> bytes:
        try:
            found: bytes = self._stream.read(size)
        except OSError as error:
            raise _unavailable(self._url, error) from error
        return found


class ReferenceProfile:
    """A kept reference, opened by `opened`. Reading is safe from several threads.

    Attributes:
        rows: How many rows it is of.
        tested: Of classes: how many of the rows that the champion's recipe was judged on had each label.
        columns: What was kept, None for the predictions.
    """

    def __init__(self, file: pq.ParquetFile, facts: Mapping[str, Any], url: str) -> None:
        self._file, self._url = file, url
        self._lock = threading.Lock()
        self._entries = {one["name"]: _Entry(**{name: one[name] for name in _Entry.__slots__}) for one in facts["columns"]}
        self.rows = int(facts["rows"])
        self.tested: dict[str, int] = dict(facts["tested"])

    @property
    def columns(self) -> list[str | None]:
        return list(self._entries)

    def profile(self, name: str | None) -> Profile:
        """The profile of a column; None: of the predictions.

        Raises:
            NoData: The reference has no such column.
            BrokenProfile: What is stored of it cannot be read.
        """
        entry = self._entry(name)
        if entry.kind == "numeric":
            table = self._read(entry.profile_groups, "values", "counts")
            return NumericProfile(_floats(table.column("values")), table.column("counts").to_numpy(), entry.rows, entry.std)
        if entry.kind == "text":
            return TextProfile(self._read(entry.profile_groups, "labels").column("labels").to_pandas(), entry.present, entry.rows)
        table = self._read(entry.profile_groups, "labels", "counts")
        return LabelProfile(dict(zip(table.column("labels").to_pylist(), table.column("counts").to_pylist(), strict=True)), entry.rows)

    def drawn(self, name: str | None) -> pd.Series:
        """The column's draw for plots: the same rows of each feature; the target's and the predictions' are of others."""
        entry = self._entry(name)
        of = "values" if entry.kind == "numeric" else "labels"
        drawn: pd.Series = self._read(entry.drawn_groups, of).column(of).to_pandas()
        return drawn

    def own_windows(self, name: str | None) -> OwnWindows:
        """What the column's own windows say, as of when the profile was made.

        Raises:
            NoData: The reference has no such column.
        """
        return OwnWindows.from_json(self._entry(name).own)

    def _entry(self, name: str | None) -> _Entry:
        if name not in self._entries:
            raise NoData(f"the champion's reference has no column {name!r}: nothing can be compared with it; train again")
        return self._entries[name]

    def _read(self, groups: Sequence[int], *columns: str) -> pa.Table:
        try:
            with self._lock:
                return self._file.read_row_groups(groups, columns=list(columns), use_threads=False)
        except _BROKEN as error:
            raise BrokenProfile(f"the reference profile {self._url} is broken ({error}); run it again: it is made anew") from error


def positions(rows: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many of the positions 0 … rows - 1, ascending, drawn without replacement; the same at each call."""
    if rows <= most:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False)).astype(np.int64)


def plot_rows(wanted: int, *, columns: int) -> int:
    """How many rows to draw for plots: as many as wanted; of many columns as many as fill `PLOT_CELLS`, but 1,000."""
    return min(wanted, max(1000, PLOT_CELLS // max(columns, 1)))


def write(url: str, columns: Iterable[KeptColumn], *, of: Mapping[str, object], rows: int, tested: Mapping[str, int]) -> None:
    """Writes the file whole or not at all; a second call replaces it. Memory: one column at a time.

    Args:
        url: Where, below `PERENNIAL_TABLES_URL`.
        columns: What to keep.
        of: What makes this reference the same as another one (JSON-able).
        rows: How many rows it is of.
        tested: Of classes: how many of the rows that judged the champion's recipe had each label.
    """
    fs, path = own_store_of(url, variable="PERENNIAL_TABLES_URL")
    fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    beside = f"{path}.{uuid.uuid4().hex}.part"
    try:
        with fs.open(beside, "wb") as stream:
            _write(stream, columns, {"format": FORMAT, "of": dict(of), "rows": rows, "tested": dict(tested)})
        fs.mv(beside, path)
    finally:
        if fs.exists(beside):
            fs.rm_file(beside)
    log.info("reference profile kept url=%s rows=%d", url, rows)


@contextmanager
def opened(url: str, *, of: Mapping[str, object]) -> Iterator[ReferenceProfile | None]:
    """The kept reference; None where there is none, or one of another format or of something else, or one that cannot be read.

    Raises:
        StoreUnavailable: The store did not answer.
    """
    fs, path = own_store_of(url, variable="PERENNIAL_TABLES_URL")
    try:
        stream = fs.open(path, "rb")
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise _unavailable(url, error) from error
    with stream:
        file, facts = _facts(_Answering(stream, url), url)
        is_same = file is not None and facts.get("format") == FORMAT and facts.get("of") == json.loads(json.dumps(dict(of)))
        if not is_same:
            log.info("reference profile not usable url=%s format=%s", url, facts.get("format"))
        yield ReferenceProfile(file, facts, url) if is_same else None


def remove(url: str) -> None:
    """Removes a kept reference, if it is there; it is made anew when it is asked for.

    Raises:
        StoreUnavailable: The store did not answer.
    """
    fs, path = own_store_of(url, variable="PERENNIAL_TABLES_URL")
    try:
        fs.rm_file(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreUnavailable(f"the broken reference profile {url} cannot be removed: {error}") from error
    log.warning("reference profile removed url=%s", url)


def remove_others(folder: str, *, keep: Iterable[str]) -> list[str]:
    """Removes the references in a folder, and what was left of killed attempts to write them, but those of these names; names what went.

    Where one cannot be removed, the log warns, and it and the rest are left for the next time.

    Args:
        folder: Where references are kept.
        keep: Names of files without `.parquet`.
    """
    fs, path = own_store_of(folder, variable="PERENNIAL_TABLES_URL")
    kept, gone = set(keep), []
    try:
        names = sorted(one.rstrip("/").rsplit("/", 1)[-1] for one in fs.ls(path, detail=False))
        for name in names:
            stem, found, _ = name.partition(".parquet")
            if found and stem.removesuffix(TESTED) not in kept:
                fs.rm_file(f"{path.rstrip('/')}/{name}")
                gone.append(name)
    except OSError as error:
        log.warning("old reference profiles were not removed folder=%s error=%r", folder, str(error))
    if gone:
        log.info("old reference profiles removed folder=%s files=%s", folder, ",".join(gone))
    return gone


def _unavailable(url: str, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the reference profile {url} cannot be read: {error}")


def _facts(stream: Any, url: str) -> tuple[pq.ParquetFile | None, dict[str, Any]]:
    try:
        file = pq.ParquetFile(stream, pre_buffer=False, page_checksum_verification=True)
        found: dict[str, Any] = json.loads((file.metadata.metadata or {})[_KEY.encode()])
    except _BROKEN as error:
        log.warning("reference profile broken url=%s error=%s", url, error)
        return None, {}
    return file, found


def _write(stream: Any, columns: Iterable[KeptColumn], facts: dict[str, Any]) -> None:
    # Sorted numbers that are all different do not get smaller; their counts do, as a dictionary of one.
    compression = {"values": "NONE", "counts": "SNAPPY", "labels": "ZSTD"}
    options = {"compression": compression, "use_dictionary": ["counts"], "write_page_checksum": True}
    entries: list[dict[str, Any]] = []
    written = 0
    with pq.ParquetWriter(stream, _SCHEMA, **options) as writer:
        for column in columns:
            profile = column.profile
            kind = "numeric" if isinstance(profile, NumericProfile) else "text" if isinstance(profile, TextProfile) else "labels"
            std = profile.std if isinstance(profile, NumericProfile) else 0.0
            entry: dict[str, Any] = {"name": column.name, "kind": kind, "own": column.own.to_json()}
            entry |= {"rows": profile.rows, "present": profile.present, "std": std}
            for part, table in (("profile_groups", _profile_table(profile)), ("drawn_groups", _drawn_table(kind, column.drawn))):
                writer.write_table(table, row_group_size=_GROUP_ROWS)
                groups = max(1, -(-table.num_rows // _GROUP_ROWS))
                entry[part] = list(range(written, written + groups))
                written += groups
            entries.append(entry)
        writer.add_key_value_metadata({_KEY: json.dumps({**facts, "columns": entries})})


def _profile_table(profile: Profile) -> pa.Table:
    if isinstance(profile, NumericProfile):
        return _table(values=pa.array(profile.values), counts=pa.array(profile.counts))
    if isinstance(profile, TextProfile):
        return _table(labels=pa.array(profile.drawn, pa.string(), from_pandas=True))
    return _table(labels=pa.array(profile.counts.keys(), pa.string()), counts=pa.array(profile.counts.values(), pa.int64()))


def _drawn_table(kind: str, drawn: pd.Series) -> pa.Table:
    if kind == "numeric":
        return _table(values=pa.array(drawn.to_numpy(dtype=float, na_value=np.nan)))
    return _table(labels=pa.array(drawn, pa.string(), from_pandas=True))


def _table(**arrays: pa.Array) -> pa.Table:
    rows = len(next(iter(arrays.values())))
    return pa.table([arrays.get(field.name, pa.nulls(rows, field.type)) for field in _SCHEMA], schema=_SCHEMA)


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = column.to_numpy()
    return found
