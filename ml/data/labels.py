"""Late labels: what a row's target turned out to be, with when that was known."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.data.delta import AppendLog, Commit
from ml.errors import NoData
from ml.settings import Settings

NO_LABELS = -1
"""The labels version of a moment when no label existed: reading as of it finds none, whatever has arrived since."""
_TIME = pa.timestamp("us", "UTC")
_LOOKED_UP_ROWS = 250_000


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The late labels of one model, as a Delta table at `<tables_url>/<model>/labels` (`id`, `label`, `_delivery`, `_arrived_at`)."""

    log: AppendLog

    @classmethod
    def of(cls, settings: Settings, model: str) -> "LabelTable":
        return cls(AppendLog(f"{settings.tables_url.rstrip('/')}/{model}/labels", partition="_delivery"))

    def version(self) -> int | None:
        """The newest version that holds labels; None before the first."""
        return self.log.version()

    def find(self, delivery: str) -> Commit | None:
        """The commit that brought a delivery of labels, or None."""
        return self.log.find(delivery)

    def append(self, frame: pd.DataFrame, *, delivery: str, arrived_at: datetime, facts: dict[str, Any] | None = None) -> int:
        """Adds the labels of a delivery exactly once; returns the version that holds them, also when called again.

        Args:
            frame: Columns `id` (text) and `label` (text, or numbers for a regression), none missing.
            delivery: The id of the delivery's content.
            arrived_at: When it was first seen.
            facts: JSON-able facts to keep in the same commit.
        """
        label = frame["label"]
        kind = pa.float64() if pd.api.types.is_float_dtype(label) else pa.string()
        columns = {
            "id": pa.array(frame["id"], pa.string(), from_pandas=True),
            "label": pa.array(label, kind, from_pandas=True),
            "_arrived_at": pa.repeat(pa.scalar(arrived_at, _TIME), len(frame)),
        }
        return self.log.append(pa.table(columns), key=delivery, facts={"arrived_at": arrived_at.isoformat(), **(facts or {})}).version

    def known(self, *, ids: pd.Series | None = None, as_of: datetime | None = None, labels_version: int | None = None) -> pd.Series:
        """The label of each id, indexed by id: of several for one id, the one that arrived last.

        Args:
            ids: Only of these; default: all.
            as_of: Only labels that had arrived by this moment; default: all.
            labels_version: Only labels that this version of the table holds: the same for ever. `NO_LABELS` reads none; default:
                all.

        Raises:
            NoData: The version is newer than the table.
        """
        parts = []
        for part in self._of(ids, ["id", "label", "_arrived_at"], version=labels_version):
            table = part if as_of is None else part.filter(pc.less_equal(part.column("_arrived_at"), pa.scalar(as_of, _TIME)))
            parts.append(table.select(["id", "label"]))
        if not parts:
            return pd.Series(dtype=object)
        frame = pa.concat_tables(parts).to_pandas().drop_duplicates("id", keep="last")
        known: pd.Series[Any] = frame.set_index("id")["label"]
        return known

    def arrived(self, ids: pd.Series) -> pd.Series:
        """Since when the label of each id that has one is what it is (UTC), indexed by id.

        Of several for one id: when the one that `known` gives arrived; repeated since, it is as old as at first, a correction is new.
        """
        parts = list(self._of(ids, ["id", "label", "_arrived_at"], version=None))
        if not parts:
            return pd.Series(dtype="datetime64[us, UTC]")
        frame = pa.concat_tables(parts).to_pandas()
        if not frame["id"].is_unique:
            # Each label beside the one after it, of the same id: what differs from its predecessor begins anew.
            frame = frame.sort_values("id", kind="stable", ignore_index=True)
            begins = (frame["id"] != frame["id"].shift()) | (frame["label"] != frame["label"].shift())
            frame = frame[begins].drop_duplicates("id", keep="last")
        found: pd.Series[Any] = frame.set_index("id")["_arrived_at"]
        return found

    def filled(self, ids: pd.Series, target: pd.Series, *, as_of: datetime | None = None, labels_version: int | None = None) -> pd.Series:
        """The target with its missing values filled by late labels; what was delivered with the row is never replaced."""
        missing = target.isna() & ids.notna()
        if not missing.any():
            return target
        known = self.known(ids=ids[missing], as_of=as_of, labels_version=labels_version)
        found = [None if pd.isna(value) else value for value in ids[missing].map(known)]
        filled = target.copy()
        filled[missing] = pd.Series(found, index=target.index[missing], dtype=target.dtype)
        return filled

    def _of(self, ids: pd.Series | None, columns: list[str], *, version: int | None) -> Iterator[pa.Table]:
        """Columns of the labels of these ids, in order of arrival.

        Many small deliveries are looked through at once: each look-up makes a table of all the ids.
        """
        wanted = None if ids is None else pa.array(ids.dropna().unique(), pa.string())
        most = max(_LOOKED_UP_ROWS, 0 if wanted is None else len(wanted))

        def looked_up(block: list[pa.Table]) -> pa.Table:
            found = pa.concat_tables(block)
            return found if wanted is None else found.filter(pc.is_in(found.column("id"), wanted))

        block: list[pa.Table] = []
        for part in self.log.read(self._commits(version), columns):
            block.append(part)
            if sum(one.num_rows for one in block) >= most:
                yield looked_up(block)
                block = []
        if block:
            yield looked_up(block)

    def _commits(self, version: int | None) -> list[Commit]:
        if version == NO_LABELS:
            return []
        commits = self.log.commits()
        if version is not None and (not commits or version > commits[-1].version):
            raise NoData(f"the labels table {self.log.url} has no version {version}; was it removed?")
        return commits if version is None else [commit for commit in commits if commit.version <= version]
