"""What Airflow knows of the models' DAGs: when each runs next, and whether it is paused."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

KINDS = ("ingest", "train", "monitor", "confirm", "score", "replay")
"""The DAGs that a model may have, in the order of its life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dag:
    """One DAG. `next_run`: the earliest moment of its next run by the calendar; None where only events start it, or it is paused."""

    id: str
    kind: str
    is_paused: bool
    is_stale: bool
    next_run: datetime | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The DAGs of a model that Airflow knows, by kind."""

    dags: Mapping[str, Dag]

    @property
    def next(self) -> Dag | None:
        """The one that runs next by the calendar."""
        due = [one for one in self.dags.values() if one.next_run is not None]
        return min(due, key=lambda one: one.next_run, default=None)  # type: ignore[arg-type,return-value]  # None was left out

    @property
    def paused(self) -> list[str]:
        """Which are paused."""
        return [one.kind for one in self.dags.values() if one.is_paused]

    def has(self, kind: str) -> bool:
        """Whether Airflow shows this one: not one whose file is broken or gone."""
        return kind in self.dags and not self.dags[kind].is_stale


def of(models: Collection[str]) -> dict[str, Schedule]:
    """Model → its DAGs; one query."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    ids = [f"{model}.{kind}" for model in models for kind in KINDS]
    columns = (DagModel.dag_id, DagModel.is_paused, DagModel.is_stale, DagModel.next_dagrun_create_after)
    with create_session(scoped=False) as session:
        rows = {row.dag_id: row for row in session.execute(select(*columns).where(DagModel.dag_id.in_(ids)))}
    found = {}
    for model in models:
        dags = {}
        for kind in KINDS:
            if (row := rows.get(f"{model}.{kind}")) is not None:
                due = None if row.is_paused or row.is_stale else row.next_dagrun_create_after
                dags[kind] = Dag(
                    id=row.dag_id,
                    kind=kind,
                    is_paused=row.is_paused,
                    is_stale=row.is_stale,
                    next_run=due,
                )
        found[model] = Schedule(dags)
    return found
