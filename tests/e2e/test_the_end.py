"""The end of the one stack. Its name puts it after the other files: no test of a running stack may follow."""

import time

import pytest

from demo.installation import Installation
from ml import stack
from tests.e2e.test_loop import MODEL, until

pytestmark = pytest.mark.timeout(1200)


def test_down_in_the_middle_of_a_training_leaves_no_process(installation: Installation) -> None:
    """It ends the stack; the fixture's own end then looks for processes that are left."""
    with installation.airflow() as airflow:
        run = airflow.trigger(f"{MODEL}.train", run=f"ended-{time.time():.0f}", note="the stack is ended in the middle of this run")
        until(
            lambda: next((task for task in airflow.tasks(run) if task.name.startswith("tune") and task.process), None),
            limit_s=120,
            what="a running tune task",
        )
    done = installation.perennial("down")
    assert done.returncode == 0, done.stderr
    assert stack.running(installation.settings) is None
