"""A listener that starts the server of worker processes with the scheduler, not with the first task.

That server first imports what tasks need. Started by the first task, it would stop the scheduler's loop for that long: on a busy
machine longer than its heartbeat may be late, and the task would be given up and started again.
"""

import multiprocessing
from multiprocessing import forkserver
from typing import Any

from airflow.listeners import hookimpl


@hookimpl
def on_starting(component: Any) -> None:
    """Airflow calls this in each of its processes; only a scheduler that forks from a server has something to start."""
    if getattr(component, "job_type", None) == "SchedulerJob" and multiprocessing.get_start_method(allow_none=True) == "forkserver":
        forkserver.ensure_running()
