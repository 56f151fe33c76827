"""What Airflow itself knows of a run: its tasks, who started it, and what each task left as text."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from perennial_airflow.operators.job import SAID

RESULT = "return_value"
_MOST_TASKS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One task of the run, or one of its mapped copies (`index` from 0; else -1). `said`: what it did, or why not; `made`: its result."""

    task: str
    index: int
    label: str
    state: str | None
    tries: int
    started_at: datetime | None
    seconds: float | None
    said: str | None
    made: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowRun:
    """A run as Airflow has it. `by`: who started it, where a person did; `kind`: manual, scheduled, asset_triggered, …"""

    dag: str
    id: str
    kind: str
    state: str
    by: str | None
    run_after: datetime
    started_at: datetime | None
    ended_at: datetime | None
    steps: tuple[Step, ...]

    def results(self, task: str) -> list[Any]:
        """What the task has returned, one for each copy that did."""
        return [one.made for one in self.steps if one.task == task and one.made is not None]

    def said(self, task: str) -> str | None:
        """What the task has left as text."""
        return next((one.said for one in self.steps if one.task == task and one.said), None)

    @property
    def failed(self) -> list[Step]:
        """The tasks that have failed or wait for another try."""
        return [one for one in self.steps if one.state in {"failed", "up_for_retry"}]


def find(dag: str, run: str) -> AirflowRun | None:
    """The run; None where Airflow does not have it (any more)."""
    of_run = (TaskInstance.dag_id == dag, TaskInstance.run_id == run)
    left = (XComModel.dag_id == dag, XComModel.run_id == run, XComModel.key.in_([SAID, RESULT]))
    with create_session() as session:
        found = session.scalar(select(DagRun).where(DagRun.dag_id == dag, DagRun.run_id == run))
        if found is None:
            return None
        tasks = session.scalars(select(TaskInstance).where(*of_run).limit(_MOST_TASKS)).all()
        kept = select(XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.value).where(*left).limit(3 * _MOST_TASKS)
        texts = {(row.task_id, row.map_index, row.key): row.value for row in session.execute(kept)}
        return AirflowRun(
            dag=dag,
            id=run,
            kind=str(getattr(found.run_type, "value", found.run_type)),
            state=str(getattr(found.state, "value", found.state)),
            by=found.triggering_user_name,
            run_after=found.run_after,
            started_at=found.start_date,
            ended_at=found.end_date,
            steps=tuple(_step(one, texts) for one in sorted(tasks, key=_begin)),
        )


def _begin(one: TaskInstance) -> tuple[bool, float, str, int]:
    """In the order in which they began; those that did not come last."""
    began = one.start_date.timestamp() if one.start_date is not None else 0.0
    return one.start_date is None, began, one.task_id, one.map_index


def _step(one: TaskInstance, left: dict[tuple[str, int, str], Any]) -> Step:
    said = left.get((one.task_id, one.map_index, SAID))
    return Step(
        task=one.task_id,
        index=one.map_index,
        label=one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]",
        state=str(getattr(one.state, "value", one.state)) if one.state is not None else None,
        tries=one.try_number,
        started_at=one.start_date,
        seconds=one.duration,
        said=said if isinstance(said, str) else None,
        made=left.get((one.task_id, one.map_index, RESULT)),
    )
