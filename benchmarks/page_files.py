"""What the pages of one model show beside the state database: stored pages, a batch in quarantine, and runs in Airflow."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

QUARANTINED = f"{0:032x}"
"""The batch whose failing rows are kept."""
RUN = "scheduled-39"
"""The DAG run that trained, and the one that looked at a window."""
_FAILURES = 50


def keep(settings: Any, model: str, *, window: str, version: int, at: datetime) -> None:
    """Keeps the plots of a window, the card of a version and the failing rows of a batch, as the jobs do."""
    import pandas as pd

    from ml.monitoring.report import save
    from ml.validation import quarantine

    page = "<html><head><title>made for a measurement</title></head><body>" + "<p>a line of a card</p>" * 2000 + "</body></html>"
    for name in (window, f"card_{version}"):
        save(settings, model=model, window=name, page=page)
    failure = {"column": "x", "expectation": "not null", "value": "", "reason": "it is missing"}
    failures = pd.DataFrame([{"row": number, **failure} for number in range(_FAILURES)])
    facts = {"source": "delivery-0.csv", "name": "delivery-0.csv", "kind": None, "rows": 500, "failing_rows": _FAILURES}
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder, "delivery-0.csv")
        original.write_text("x\n" + "\n" * 500)
        more: dict[str, Any] = {**facts, "reasons": ["column 'x': 50 of 500 values are missing"], "warnings": []}
        quarantine.keep(settings, model, QUARANTINED, original=original, failures=failures, arrived_at=at, facts=more)


def runs(model: str, *, window: str, at: datetime) -> None:
    """Airflow knows a run of the model's training and one of its look at a window."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import Table, insert

    tables = [found.__table__ for found in (DagRun, TaskInstance, XComModel)]
    kinds = {"train": ("freeze", None), "monitor": ("take_window", window)}
    with create_session() as session:
        for number, (kind, (task, result)) in enumerate(kinds.items(), start=1):
            of_run = {"dag_id": f"{model}.{kind}", "run_id": RUN}
            of_task = {**of_run, "task_id": task, "map_index": -1}
            made: list[dict[str, Any]] = [
                {**of_run, "id": number, "run_type": "scheduled", "run_after": at, "state": "success", "log_template_id": None},
                {**of_task, "pool": "default_pool", "state": "success", "start_date": at, "duration": 2.0},
                {**of_task, "dag_run_id": number, "key": "return_value", "value": result},
            ]
            for table, values in zip(tables, made, strict=True):
                assert isinstance(table, Table)
                session.execute(insert(table).values(values))


def dags(models: int) -> None:
    """Airflow knows four DAGs of each model."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    kinds = ("ingest", "train", "monitor", "score")
    with create_session() as session:
        session.add(DagBundleModel(name="dags-folder"))
        session.flush()
        for number in range(models):
            for kind in kinds:
                known = {"dag_id": f"model_{number:04d}.{kind}", "bundle_name": "dags-folder", "is_stale": False, "is_paused": False}
                session.add(DagModel(**known))  # type: ignore[no-untyped-call]
