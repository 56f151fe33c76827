"""What every step has in common."""

import hashlib
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from ml.settings import Settings
from ml.spec.types import duration_text
from perennial_airflow.edge import error_edge

_LONGEST_RUN = 200
SAID = "said"
"""Under this key each task leaves, for the page of the run, in one text what it has done, or why not."""
_LONGEST_SAID = 2000


class JobOperator(BaseOperator):
    """A step of one model. Subclasses write `job`, which returns what later tasks need: keys and numbers, never rows."""

    # Air for colour-blind eyes as well: Airflow's own operators are white.
    ui_color = "#e8f3ec"

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.links: dict[str, str] = {}
        self.said = ""

    def execute(self, context: Context) -> Any:
        """Does the step; `PerennialError` becomes a failure with or without another try."""
        try:
            with error_edge():
                made = self.job(Settings.from_env(), context)
        except AirflowException as error:  # failed or skipped, with a reason for a person
            self.leave(context, str(error))
            raise
        self.leave(context, self.said)
        return made

    def job(self, settings: Settings, context: Context) -> Any:
        """The step itself."""
        raise NotImplementedError

    def say(self, headline: str, facts: dict[str, object] | None = None) -> None:
        """One line and its facts, indented, into the task's log."""
        self.said = headline
        lines = [headline, *(f"    {name}: {value}" for name, value in (facts or {}).items() if value not in (None, "", [], {}))]
        self.log.info("%s", "\n".join(lines))

    def leave(self, context: Context, text: str) -> None:
        """Leaves a text for the page of the run."""
        run = context.get("ti")
        if text and run is not None:  # a step that is called without Airflow has nobody to tell
            run.xcom_push(key=SAID, value=text[:_LONGEST_SAID])

    def skip(self, reason: str) -> AirflowSkipException:
        """What to raise when there is calmly nothing to do: the task and what follows it are skipped, the run succeeds."""
        self.say(reason)
        return AirflowSkipException(reason)


class LimitedOperator(JobOperator):
    """A step that is not tried again where it took longer than it may: another try would take as long."""

    def execute(self, context: Context) -> Any:
        """Does the step; a time-out is a failure without another try."""
        try:
            return super().execute(context)
        except AirflowTaskTimeout as error:
            limit = "" if self.execution_timeout is None else f" ({duration_text(self.execution_timeout)})"
            text = f"{self.task_id} was ended: it took longer than training.timeout{limit}. Give it less to do, or more time."
            self.leave(context, text)
            raise AirflowFailException(text) from error


def training_run(context: Context) -> str:
    """The key of the training that a DAG run is: the same in each of its tasks, on each try."""
    run = context["dag_run"]
    return run_key(run.dag_id, run.run_id)


def run_key(dag: str, name: str) -> str:
    """The key under which the state database keeps a DAG run; a long name by its beginning and a digest."""
    if len(name) > _LONGEST_RUN:
        name = f"{name[:_LONGEST_RUN]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return f"{dag}/{name}"
