"""The prediction log: what each champion predicted for each accepted row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import pyarrow as pa

from ml.data.delta import AppendLog, Commit
from ml.settings import Settings
from ml.state.records import Predicted

_TIME = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class PredictionLog:
    """The predictions of one model, as a Delta table at `<tables_url>/<model>/predictions`, each (version, batch) once."""

    log: AppendLog

    @classmethod
    def of(cls, settings: Settings, model: str) -> "PredictionLog":
        return cls(AppendLog(f"{settings.tables_url.rstrip('/')}/{model}/predictions", partition="_scored"))

    def append(self, frame: pd.DataFrame, *, champion: int, batch: str, scored_at: datetime) -> int:
        """Adds a batch's predictions exactly once; returns the rows that are stored for it, also when called again.

        Args:
            frame: `_row` (int64) and `prediction` (text for classes, float64 for a regression); any further float64 or text
                columns (`probability`, `id`) are kept as they are.
            champion: The model version that predicted.
            batch: The batch that the rows belong to.
            scored_at: When.
        """
        rows = len(frame)
        columns = {
            "_batch": pa.repeat(pa.scalar(batch), rows),
            "_version": pa.repeat(pa.scalar(champion, pa.int64()), rows),
            "_scored_at": pa.repeat(pa.scalar(scored_at, _TIME), rows),
        }
        columns |= {str(name): _array(frame[name]) for name in frame.columns if name not in columns}
        facts = {"champion": champion, "batch": batch, "scored_at": scored_at.isoformat()}
        return self.log.append(pa.table(columns), key=f"{champion}-{batch}", facts=facts).rows

    def scored(self, *, champion: int) -> set[str]:
        """The batches that this version has scored."""
        return {str(commit.facts["batch"]) for commit in self.log.commits() if commit.facts["champion"] == champion}

    def summed(self) -> list[Predicted]:
        """What each version has predicted so far, from the log alone; by version."""
        commits: dict[int, list[Commit]] = {}
        for commit in self.log.commits():
            commits.setdefault(int(commit.facts["champion"]), []).append(commit)
        return [_summed(version, commits[version], self.log.url) for version in sorted(commits)]

    def read(
        self, *, champion: int | None = None, batches: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The predictions in the order in which they were made: of one version, of some batches, some columns only, if asked."""
        commits = [commit for commit in self.log.commits() if _is_wanted(commit, champion, batches)]
        schema = self.log.schema()
        names = list(columns) if columns is not None else [] if schema is None else [name for name in schema.names if name != "_scored"]
        parts = list(self.log.read(commits, names))
        if not parts:
            return pd.DataFrame(columns=names)
        frame: pd.DataFrame = pa.concat_tables(parts, promote_options="permissive").to_pandas()
        return frame


def _is_wanted(commit: Commit, champion: int | None, batches: Sequence[str] | None) -> bool:
    return (champion is None or commit.facts["champion"] == champion) and (batches is None or commit.facts["batch"] in batches)


def _summed(version: int, commits: Sequence[Commit], url: str) -> Predicted:
    times = [datetime.fromisoformat(commit.facts["scored_at"]) for commit in commits]
    return Predicted(
        version=version,
        batches=len(commits),
        rows=sum(commit.rows for commit in commits),
        files=sum(len(commit.files) for commit in commits),
        first_at=min(times),
        last_at=max(times),
        url=url,
    )


def _array(column: pd.Series) -> pa.Array:
    if pd.api.types.is_bool_dtype(column) or column.dtype == object:
        return pa.array(column.map(lambda value: None if pd.isna(value) else str(value)), pa.string(), from_pandas=True)
    return pa.array(column, from_pandas=True)
