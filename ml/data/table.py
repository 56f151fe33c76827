"""The accepted table: every accepted row of a model, in versions that trained models name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml import specfile
from ml.data.casting import KINDS, column_kinds
from ml.data.delta import AppendLog, Commit
from ml.data.footers import Footers
from ml.data.labels import NO_LABELS, LabelTable
from ml.errors import ModelOwnerError, NoData
from ml.settings import Settings
from ml.spec import ModelSpec

BATCH, ROW, ARRIVED = "_batch", "_row", "_arrived_at"
KEYS = (BATCH, ROW, ARRIVED)
"""Columns that every read has: the batch, the row's number in its delivery from 1, and when it arrived."""
PLACE = "_place"
"""Not stored, given where it is asked for: the row's position among those of `read_columns` of the same versions."""
_TIME = pa.timestamp("us", "UTC")
_LOOKED_AT_ROWS, _LOOKED_AT_BATCHES = 5_000_000, 200
_BLOCK_ROWS = 250_000


@dataclass(frozen=True, slots=True)
class AcceptedTable:
    """The rows of one model that were accepted, as a Delta table at `<tables_url>/<model>/rows`.

    Rows are only ever added, a whole batch at a time, each batch once. A dataset version is the Delta version that an accepting
    commit made: it names the same rows for ever.
    """

    model: str
    log: AppendLog
    labels: LabelTable
    settings: Settings
    spec: ModelSpec | None = None

    @classmethod
    def of(cls, settings: Settings, model: str, spec: ModelSpec | None = None) -> "AcceptedTable":
        """The table of a model. `spec` is the declaration to read by; default: as `model.yaml` says now."""
        log = AppendLog(f"{settings.tables_url.rstrip('/')}/{model}/rows", partition=BATCH)
        return cls(model, log, LabelTable.of(settings, model), settings, spec)

    def version(self) -> int | None:
        """The newest dataset version that holds rows; None before the first accepted batch."""
        return self.log.version()

    def find(self, batch: str) -> Commit | None:
        """The commit that accepted a batch, or None; its `facts` are those that were given to `append`."""
        return self.log.find(batch)

    def append(self, frame: pd.DataFrame, *, spec: ModelSpec, batch: str, arrived_at: datetime, facts: dict[str, Any] | None = None) -> int:
        """Adds the batch exactly once; returns the dataset version that holds it, also when called again.

        Args:
            frame: The cast rows in the order of the delivery; `_row` is taken from it, or counted from 1.
            spec: Gives the columns and their types.
            batch: The batch's id.
            arrived_at: When the delivery was first seen.
            facts: JSON-able facts to keep in the same commit.
        """
        _check_names(spec)
        kept = {"arrived_at": arrived_at.isoformat(), **(facts or {})}
        return self.log.append(_arrow(frame, spec, arrived_at), key=batch, facts=kept).version

    def count(self, *, version: int, after_version: int | None = None) -> int:
        """The number of rows accepted in (`after_version`, `version`], from the log alone."""
        return sum(commit.rows for commit in self.log.commits(version=version, after_version=after_version))

    def batches(self, *, version: int, after_version: int | None = None) -> list[Commit]:
        """The commits that made the versions in (`after_version`, `version`], in the order of acceptance."""
        return self.log.commits(version=version, after_version=after_version)

    def footers(self, batch: Commit) -> Footers:
        """What the files of a batch tell of its columns, without reading these."""
        return Footers(tuple(self.log.footers(batch)))

    def arrived_at(self, batch: Commit) -> datetime | None:
        """When a batch was first seen, from the log alone; None where that does not say it."""
        said = batch.facts.get("arrived_at")
        return None if said is None else datetime.fromisoformat(said)

    def known_ids(self, ids: "pd.Series[Any]") -> "pd.Series[Any]":
        """Those of the ids that accepted rows have already, in their order. The model must declare `id`.

        Bounded: only the newest batches are looked at, at most 200 with together about 5 million rows, and only their id column. A
        source that delivers its old rows again has them in the newest ones as well.
        """
        spec = self.spec or specfile.load(self.settings, self.model)
        found = ids.dropna().drop_duplicates()
        wanted = pa.array(found, pa.string())
        hits = np.zeros(len(found), dtype=bool)
        block: list[pa.ChunkedArray] = []
        commits = self._recent()
        for place, commit in enumerate(commits, start=1):
            block += [part.column(0).cast(pa.string()) for part in self.log.read([commit], [str(spec.id)])]
            if place == len(commits) or sum(map(len, block)) >= max(_BLOCK_ROWS, len(found)):
                known = pa.chunked_array([chunk for column in block for chunk in column.chunks], pa.string())
                hits |= pc.is_in(wanted, value_set=known).to_numpy(zero_copy_only=False)
                block = []
        return found[hits]

    def delivered_targets(self, ids: "pd.Series[Any]") -> "pd.Series[Any]":
        """The target that the accepted rows of these ids were delivered with, indexed by id; missing where a row came without one.

        Ids of no accepted row are left out. Memory: one batch at a time, of two columns.
        """
        spec = self.spec or specfile.load(self.settings, self.model)
        wanted, newest = pa.array(ids.dropna().unique(), pa.string()), self.log.version()
        kind = KINDS[column_kinds(spec)[spec.target]]
        parts = []
        for part in self.log.read([] if newest is None else self.log.commits(version=newest), [str(spec.id), spec.target]):
            found = part.filter(pc.is_in(part.column(0).cast(pa.string()), wanted))
            parts.append(pa.table({"id": found.column(0).cast(pa.string()), "target": found.column(1).cast(kind)}))
        if not parts:
            return pd.Series(dtype=object)
        frame = pa.concat_tables(parts).to_pandas()
        frame = frame.sort_values("target", key=lambda column: column.isna(), kind="stable").drop_duplicates("id", keep="last")
        targets: pd.Series[Any] = frame.set_index("id")["target"]
        return targets

    def classes(self, *, most: int) -> list[str]:
        """The different targets that accepted rows were delivered with, in the order of acceptance; no more is read than tells `most`."""
        spec = self.spec or specfile.load(self.settings, self.model)
        newest = self.log.version()
        known: dict[str, None] = {}
        for commit in [] if newest is None else self.log.commits(version=newest):
            for part in self.log.read([commit], [spec.target]):
                known |= dict.fromkeys(part.column(0).cast(pa.string()).drop_null().unique().to_pylist())
            if len(known) >= most:
                break
        return list(known)[:most]

    def _recent(self) -> list[Commit]:
        newest = self.log.version()
        if newest is None:
            return []
        chosen: list[Commit] = []
        for commit in reversed(self.log.commits(version=newest, after_version=max(-1, newest - _LOOKED_AT_BATCHES))):
            if sum(one.rows for one in chosen) >= _LOOKED_AT_ROWS:
                break
            chosen.append(commit)
        return chosen

    def read(
        self,
        *,
        version: int,
        columns: Sequence[str] | None = None,
        after_version: int | None = None,
        newest_rows: int | None = None,
        labels_as_of: datetime | None = None,
        labels_version: int | None = None,
    ) -> pd.DataFrame:
        """Rows as of a dataset version, in the order of acceptance, then of the delivery.

        Memory: the chosen columns of the chosen rows, plus one batch; `newest_rows` of a model with `time` also needs that one
        column of all rows.

        Args:
            version: The dataset version.
            columns: Only these columns are read, with `_batch`, `_row` and `_arrived_at`; default: all that are declared. `PLACE`
                may be among them.
            after_version: Only rows accepted in (`after_version`, `version`].
            newest_rows: Only so many: the last by `time` where it is declared (rows without one count as oldest), else by
                acceptance.
            labels_as_of: Late labels that arrived by this moment fill a missing target; default: all that have arrived.
            labels_version: Late labels of this version of the labels table (`ml.data.labels.NO_LABELS`: none at all) fill a missing
                target, so that two reads find the same whatever was labelled between them; default: all that there are.

        Raises:
            NoData: The version holds no rows, or is newer than the table.
        """
        spec = self.spec or specfile.load(self.settings, self.model)
        commits = self.log.commits(version=self._checked(version), after_version=after_version)
        wanted = list(dict.fromkeys((*KEYS, *(spec.columns if columns is None else columns))))
        needs_labels = spec.target in wanted and spec.id is not None and self._are_labels(labels_version)
        reading = [name for name in dict.fromkeys((*wanted, *([spec.id] if needs_labels and spec.id is not None else []))) if name != PLACE]
        places = self._newest(commits, spec, newest_rows)
        frame = _frame(self._parts(commits, reading, places), reading, column_kinds(spec))
        if PLACE in wanted:
            frame[PLACE] = np.arange(len(frame), dtype=np.int64) if places is None else places
        if needs_labels and spec.id is not None:
            frame[spec.target] = self.labels.filled(frame[spec.id], frame[spec.target], as_of=labels_as_of, labels_version=labels_version)
        return frame[wanted]

    def read_columns(
        self, columns: Sequence[str], *, version: int, after_version: int | None = None, places: npt.NDArray[np.int64] | None = None
    ) -> pa.Table:
        """Some columns of the rows of `read`, in its order, as Arrow and without the table's keys; late labels are not filled in.

        Args:
            columns: Which.
            version: As for `read`.
            after_version: Likewise.
            places: Only the rows at these positions (`PLACE`), ascending; only batches that have one are read.
        """
        spec = self.spec or specfile.load(self.settings, self.model)
        commits = self.log.commits(version=self._checked(version), after_version=after_version)
        return _joined(self._parts(commits, columns, places), columns, column_kinds(spec))

    def pieces(self, columns: Sequence[str], *, version: int, after_version: int | None = None, rows: int) -> Iterator[pd.DataFrame]:
        """The same columns as frames of `rows` rows each (the last may be shorter): memory does not follow the number of rows."""
        spec = self.spec or specfile.load(self.settings, self.model)
        commits = self.log.commits(version=self._checked(version), after_version=after_version)
        waiting: list[pa.Table] = []
        held = 0
        for part in self.log.pieces(commits, columns, rows=rows):
            if held + part.num_rows < rows:
                waiting.append(part)
                held += part.num_rows
                continue
            waiting.append(part[: rows - held])
            left = part[rows - held :]
            yield _frame(waiting, columns, column_kinds(spec))
            waiting, held = [left] if left.num_rows else [], left.num_rows
        if waiting:
            yield _frame(waiting, columns, column_kinds(spec))

    def _are_labels(self, version: int | None) -> bool:
        return self.labels.version() is not None if version is None else version != NO_LABELS

    def _checked(self, version: int) -> int:
        if self.log.has_met(version):
            return version
        newest = self.version()
        if newest is None or version > newest:
            has = "no rows yet" if newest is None else f"versions up to {newest}"
            raise NoData(f"{self.model} has no dataset version {version}: its accepted table has {has}")
        return version

    def _newest(self, commits: list[Commit], spec: ModelSpec, newest_rows: int | None) -> npt.NDArray[np.int64] | None:
        """The positions of the rows to keep, ascending; None keeps all."""
        total = sum(commit.rows for commit in commits)
        if newest_rows is None or total <= newest_rows:
            return None
        if spec.time is None:
            return np.arange(total - newest_rows, total, dtype=np.int64)
        column = pa.chunked_array(
            [c for part in self.log.read(commits, [spec.time]) for c in part.cast(_schema([spec.time])).column(0).chunks], _TIME
        )
        times = column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
        return np.sort(np.argsort(times, kind="stable")[total - newest_rows :]).astype(np.int64)

    def _parts(self, commits: list[Commit], columns: Sequence[str], places: npt.NDArray[np.int64] | None) -> list[pa.Table]:
        starts = np.cumsum([0, *(commit.rows for commit in commits)])
        if places is None or len(places) == starts[-1]:
            return list(self.log.read(commits, columns))
        edges = np.searchsorted(places, starts)
        parts = []
        for number, commit in enumerate(commits):
            rows = places[edges[number] : edges[number + 1]] - starts[number]
            if not len(rows):
                continue
            table = pa.concat_tables(self.log.read([commit], columns))
            parts.append(table if len(rows) == table.num_rows else table.take(pa.array(rows)))
        return parts


def _check_names(spec: ModelSpec) -> None:
    """Delta tells columns apart without regard to upper and lower case."""
    seen = dict.fromkeys(KEYS, "a column that Perennial adds")
    for name in spec.columns:
        if (other := seen.setdefault(name.lower(), repr(name))) != repr(name):
            raise ModelOwnerError(f"column {name!r} of {spec.model} has the same name as {other} but for case; rename it where it is made")


def _schema(times: list[str]) -> pa.Schema:
    return pa.schema([pa.field(name, _TIME) for name in times])


def _arrow(frame: pd.DataFrame, spec: ModelSpec, arrived_at: datetime) -> pa.Table:
    rows = frame[ROW].to_numpy(dtype=np.int64) if ROW in frame else np.arange(1, len(frame) + 1, dtype=np.int64)
    columns: dict[str, Any] = {ROW: pa.array(rows), ARRIVED: pa.repeat(pa.scalar(arrived_at, _TIME), len(frame))}
    for name, kind in column_kinds(spec).items():
        columns[name] = pa.array(frame[name], type=KINDS[kind], from_pandas=True)
    return pa.table(columns)


def _joined(parts: list[pa.Table], columns: Sequence[str], kinds: dict[str, str]) -> pa.Table:
    types = {name: KINDS[kind] for name, kind in kinds.items()} | {BATCH: pa.string(), ROW: pa.int64(), ARRIVED: _TIME}
    schema = pa.schema([pa.field(name, types.get(name, pa.string())) for name in columns])
    cast = [part if part.schema.equals(schema) else part.cast(schema) for part in parts]
    parts.clear()
    return pa.concat_tables(cast) if cast else schema.empty_table()


def _frame(parts: list[pa.Table], columns: Sequence[str], kinds: dict[str, str]) -> pd.DataFrame:
    """The rows as pandas has them; `parts` is emptied, so that nothing is held twice."""
    frame: pd.DataFrame = _joined(parts, columns, kinds).to_pandas(split_blocks=True, self_destruct=True)
    return frame
