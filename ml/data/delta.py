"""An append-only Delta table that takes each key exactly once."""

import json
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction

from ml.data.stores import table_store_of
from ml.errors import ConcurrentChange, ModelOwnerError, StoreUnavailable

log = logging.getLogger(__name__)

_ATTEMPTS = 20
_ROW_GROUP_ROWS = 131_072
_ROW_GROUP_CELLS = 16_777_216
"""Tables with more columns than this allows for have shorter row groups: whoever reads row after row holds a group of each column."""
_READ_BYTES = 65_536
"""Columns are decoded from a buffer of this size each: else their whole stored bytes would be held beside what they become."""
_READ_CELLS = 1_000_000
"""Of more values the columns are read one after the other: what decodes a column takes as much memory as 200,000 of its values."""
_READERS, _AT_ONCE_ROWS = 16, 250_000
"""Small files of a remote store are read so many at once, as long as they have no more rows together."""
_LOG_BLOCK = 200
_CONFIGURATION = {
    # Trained models name versions for ever: neither rows nor the log that leads to them may go.
    "delta.appendOnly": "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "50",
}


@dataclass(frozen=True, slots=True)
class Commit:
    """One append. `facts` is what the writer remembered with it; `files` are paths below the table; `at` is when it was made."""

    version: int
    key: str
    rows: int
    files: tuple[str, ...]
    facts: dict[str, Any]
    at: datetime


class AppendLog:
    """A Delta table whose every commit is one append under a key of its own.

    The key is a Delta application transaction: of two writers with the same key one commits, the other finds it done. The log
    itself tells which key made which version, so nothing else has to be written in the same moment.
    """

    def __init__(self, url: str, *, partition: str) -> None:
        self.url = url
        self.partition = partition
        self._fs, self._root = table_store_of(url)
        self._is_local = "://" not in url or url.startswith("file://")

    def version(self) -> int | None:
        """The newest version that an append made; None before the first."""
        newest = next(self._backwards(self._newest()), None)
        return newest.version if newest is not None else None

    def has_met(self, version: int) -> bool:
        """Whether this process knows already that an append made this version: then nothing has to be looked up."""
        return _known_commits(self.url).get(version) is not None

    def commits(self, *, version: int | None = None, after_version: int | None = None) -> list[Commit]:
        """The appends that made the versions in (`after_version`, `version`], oldest first."""
        newest = self._newest() if version is None else version
        low = -1 if after_version is None else after_version
        numbers = range(low + 1, newest + 1)
        known = self._known(numbers)
        return [commit for number in numbers if (commit := known[number]) is not None]

    def find(self, key: str) -> Commit | None:
        """The append under this key, or None. For a key that is not there the log is not read."""
        delta = self._table()
        if delta is None or delta.transaction_version(key) is None:
            return None
        return next((commit for commit in self._backwards(delta.version()) if commit.key == key), None)

    def _backwards(self, newest: int) -> Iterator[Commit]:
        """The appends up to a version, newest first; no more of the log is read than is asked for."""
        size = 1
        while newest >= 0:  # blocks that grow: the newest alone is often enough
            numbers = range(newest, max(newest - size, -1), -1)
            known = self._known(numbers)
            yield from (commit for number in numbers if (commit := known[number]) is not None)
            newest -= size
            size = min(10 * size, _LOG_BLOCK)

    def _known(self, versions: Iterable[int]) -> dict[int, Commit | None]:
        """What this process knows of the table's log, these versions among it; a remote store is asked for many at once."""
        known = _known_commits(self.url)
        if unread := {f"{self._root}/_delta_log/{version:020d}.json": version for version in versions if version not in known}:
            known |= {unread[path]: _commit(unread[path], text) for path, text in zip(unread, self._texts(list(unread)), strict=True)}
        return known

    def _texts(self, paths: list[str]) -> list[bytes]:
        if self._is_local or len(paths) == 1:
            return [self._fs.cat_file(path) for path in paths]
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(self._fs.cat_file, paths))

    def append(self, table: pa.Table, *, key: str, facts: Mapping[str, Any]) -> Commit:
        """Appends the rows under the key; if the key is there already, the rows stay out and its commit is returned.

        Args:
            table: Without the partition column: it is the key.
            key: What makes this append the same as another one.
            facts: JSON-able facts to keep in the commit.
        """
        delta = self._opened(table.schema)
        path: str | None = None
        for _ in range(_ATTEMPTS):
            if delta.transaction_version(key) is not None:
                return self._found(key)
            self._widen(delta, table.schema)
            if path is None:
                path, size = self._write(table, key)
            try:
                self._add(delta, table, key=key, path=path, size=size, facts=facts)
            except CommitFailedError as error:
                log.info("append met another writer table=%s key=%s error=%s", self.url, key, error)
                delta = self._opened(table.schema)
                continue
            return self._found(key)
        raise ConcurrentChange(f"{self.url} was being changed by others {_ATTEMPTS} times in a row; run it again")

    def read(self, commits: Sequence[Commit], columns: Sequence[str]) -> Iterator[pa.Table]:
        """One table for each append, in order; the partition column is filled with the key, an unknown column with nulls.

        Memory: one append at a time; of a remote store, whose files are waited for, several small ones.
        """
        files = [(commit, file) for commit in commits for file in commit.files]
        if self._is_local or len(files) == 1:
            yield from (self._read_file(commit, file, columns) for commit, file in files)
            return
        with ThreadPoolExecutor(_READERS) as readers:
            for block in _blocks(files):
                yield from readers.map(lambda one: self._read_file(one[0], one[1], columns), block)

    def pieces(self, commits: Sequence[Commit], columns: Sequence[str], *, rows: int) -> Iterator[pa.Table]:
        """The tables of `read` with at most so many rows each, in order. Memory: a piece, and a row group as it is stored."""
        for commit in commits:
            for file in commit.files:
                with self._opened_file(file) as stream:
                    parquet = pq.ParquetFile(stream, buffer_size=_READ_BYTES, pre_buffer=not self._is_local)
                    there = [name for name in columns if name in set(parquet.schema_arrow.names)]
                    for batch in parquet.iter_batches(rows, columns=there):
                        yield self._complete(pa.Table.from_batches([batch]), commit, columns, batch.num_rows)

    def footers(self, commit: Commit) -> Iterator[pq.FileMetaData]:
        """What the files of an append say of their columns, without reading these."""
        for file in commit.files:
            with self._opened_file(file) as stream:
                yield pq.ParquetFile(stream).metadata

    def schema(self) -> pa.Schema | None:
        """The columns of the newest version; None before the table exists."""
        try:
            return pa.schema(DeltaTable(self.url).schema().to_arrow())
        except TableNotFoundError:
            return None

    def _read_file(self, commit: Commit, file: str, columns: Sequence[str]) -> pa.Table:
        with self._opened_file(file) as stream:
            parquet = pq.ParquetFile(stream, buffer_size=_READ_BYTES, pre_buffer=not self._is_local)
            there = set(parquet.schema_arrow.names)
            rows = parquet.metadata.num_rows
            named = [name for name in columns if name in there]
            if rows * len(named) > _READ_CELLS:
                table = pa.table([parquet.read(columns=[name], use_threads=False).column(0) for name in named], names=named)
            else:
                table = parquet.read(columns=named, use_threads=rows > _ROW_GROUP_ROWS)
        return self._complete(table, commit, columns, rows)

    def _opened_file(self, file: str) -> Any:
        """Arrow opens a local file by itself four times as fast as through Python."""
        path = f"{self._root}/{file}"
        return pa.OSFile(path) if self._is_local else self._fs.open(path, "rb")

    def _complete(self, table: pa.Table, commit: Commit, columns: Sequence[str], rows: int) -> pa.Table:
        arrays = []
        for name in columns:
            if name == self.partition:
                arrays.append(pa.chunked_array([pa.repeat(pa.scalar(commit.key), rows)]))
            elif name in table.column_names:
                arrays.append(table.column(name))
            else:
                arrays.append(pa.chunked_array([pa.nulls(rows)]))
        return pa.table(arrays, names=list(columns))

    def _newest(self) -> int:
        delta = self._table()
        return -1 if delta is None else delta.version()

    def _table(self) -> DeltaTable | None:
        try:
            delta = DeltaTable(self.url)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise StoreUnavailable(f"the table {self.url} cannot be opened: {error}") from error
        known = _known_commits(self.url)
        if delta.version() < max(known, default=-1):  # the table was removed and made anew
            known.clear()
        return delta

    def _found(self, key: str) -> Commit:
        commit = self.find(key)
        if commit is None:
            raise StoreUnavailable(f"{self.url} knows {key} but its log does not tell the version; was _delta_log cleaned up?")
        return commit

    def _opened(self, schema: pa.Schema) -> DeltaTable:
        try:
            return DeltaTable(self.url)
        except TableNotFoundError:
            pass
        full = pa.schema([pa.field(self.partition, pa.string()), *schema])
        try:
            return DeltaTable.create(self.url, full, mode="ignore", partition_by=[self.partition], configuration=_CONFIGURATION)
        except (CommitFailedError, DeltaError):  # another process made it first
            return DeltaTable(self.url)

    def _widen(self, delta: DeltaTable, schema: pa.Schema) -> None:
        there = pa.schema(delta.schema().to_arrow())
        for field in schema:
            if field.name in there.names and there.field(field.name).type != field.type:
                raise ModelOwnerError(
                    f"column {field.name!r} is kept as {there.field(field.name).type} in {self.url} but declared as {field.type} now; "
                    "a column cannot change its kind: give it a new name, or declare a new model"
                )
        if new := [field for field in schema if field.name not in there.names]:
            try:
                delta.alter.add_columns(Schema.from_arrow(pa.schema(new)).fields)
            except (CommitFailedError, DeltaError) as error:
                raise ConcurrentChange(f"columns of {self.url} were being changed by another process: {error}; run it again") from error

    def _write(self, table: pa.Table, key: str) -> tuple[str, int]:
        path = f"{self.partition}={key}/{uuid.uuid4().hex}.parquet"
        full = f"{self._root}/{path}"
        self._fs.makedirs(full.rsplit("/", 1)[0], exist_ok=True)
        with self._fs.open(full, "wb") as stream:
            fitting = _ROW_GROUP_CELLS // max(table.num_columns, 1)
            pq.write_table(table, stream, row_group_size=max(1, min(_ROW_GROUP_ROWS, fitting)))
        return path, int(self._fs.size(full))

    def _add(self, delta: DeltaTable, table: pa.Table, *, key: str, path: str, size: int, facts: Mapping[str, Any]) -> None:
        at = int(datetime.now(UTC).timestamp() * 1000)
        add = AddAction(path, size, {self.partition: key}, at, True, json.dumps({"numRecords": table.num_rows}))
        delta.create_write_transaction(
            [add],
            "append",
            delta.schema(),
            [self.partition],
            commit_properties=CommitProperties(custom_metadata={"facts": dict(facts)}, app_transactions=[Transaction(key, 1)]),
        )


def _commit(version: int, text: bytes) -> Commit | None:
    actions = [json.loads(line) for line in text.splitlines() if line]
    facts: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    added = [action["add"] for action in actions if "add" in action]
    key = next((action["txn"]["appId"] for action in actions if "txn" in action), None)
    if key is None or not added:
        return None
    rows = sum(json.loads(add["stats"])["numRecords"] for add in added)
    at = datetime.fromtimestamp(facts["timestamp"] / 1000, UTC)
    return Commit(version, key, rows, tuple(add["path"] for add in added), facts.get("facts", {}), at)


def _blocks(files: Sequence[tuple[Commit, str]]) -> Iterator[list[tuple[Commit, str]]]:
    """The files in their order, in blocks that fit into memory together; a large one stands alone."""
    block: list[tuple[Commit, str]] = []
    rows = 0
    for commit, file in files:
        if block and rows + commit.rows > _AT_ONCE_ROWS:
            yield block
            block, rows = [], 0
        block.append((commit, file))
        rows += commit.rows
    if block:
        yield block


_COMMITS: dict[str, dict[int, Commit | None]] = {}


def _known_commits(url: str) -> dict[int, Commit | None]:
    """What this process has read of a table's log: a commit never changes once it is there."""
    return _COMMITS.setdefault(url, {})
