"""The buttons on tasks, and the text that each task leaves for the page of its run."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import perennial_airflow.operators
import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from perennial_airflow.links import LINEAGE, MODEL_VERSION, ResultLink, lineage_url, mlflow_run_url
from perennial_airflow.operators.job import SAID, JobOperator, run_key

from ml.errors import DataOwnerError, StoreUnavailable
from ml.settings import Settings


def operators() -> Iterator[type[BaseOperator]]:
    for module in iter_modules(perennial_airflow.operators.__path__):
        found = vars(import_module(f"perennial_airflow.operators.{module.name}")).values()
        yield from (one for one in found if isinstance(one, type) and issubclass(one, BaseOperator))


class Left:
    """Keeps what a task leaves."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def xcom_push(self, *, key: str, value: str) -> None:
        self.texts[key] = value


class Step(JobOperator):
    """Says something, and ends as it is told to."""

    ending: Exception | None = None

    def job(self, settings: Settings, context: Any) -> int:
        self.say("first")
        self.say("two of three rows", {"fact": 1})
        if self.ending is not None:
            raise self.ending
        return 2


def test_two_links_of_a_task_do_not_lead_to_the_same_place() -> None:
    found = [one for one in operators() if one.operator_extra_links]
    assert len(found) >= 10
    for one in found:
        keys = [link.xcom_key for link in one.operator_extra_links]
        assert len(set(keys)) == len(keys), one


def test_a_link_is_what_the_task_has_made_and_hidden_where_it_made_nothing() -> None:
    step = Step(task_id="step", model="loans")
    step.links = {LINEAGE: lineage_url("loans", 3)}
    assert ResultLink(LINEAGE).get_link(step, ti_key=None).endswith("/perennial/lineage/loans/3")
    assert ResultLink(MODEL_VERSION).get_link(step, ti_key=None) == ""
    assert mlflow_run_url("loans", "a/../b").endswith("/perennial/mlflow/loans/runs/a%2F..%2Fb")


@pytest.mark.parametrize(
    ("ending", "raised", "text"),
    [
        (None, None, "two of three rows"),
        (AirflowSkipException("nothing to do"), AirflowSkipException, "nothing to do"),
        (DataOwnerError("no such file"), AirflowFailException, "DataOwnerError: no such file"),
        (StoreUnavailable("no answer"), AirflowException, "StoreUnavailable: no answer"),
    ],
)
def test_a_task_leaves_what_it_did_or_why_not(settings: Settings, ending: Exception | None, raised: Any, text: str) -> None:
    step, left = Step(task_id="step", model="loans"), Left()
    step.ending = ending
    context: Any = {"ti": left}
    if raised is None:
        assert step.execute(context) == 2
    else:
        with pytest.raises(raised):
            step.execute(context)
    assert left.texts == {SAID: text}


def test_a_long_name_of_a_run_has_a_key_of_bounded_length_of_its_own() -> None:
    assert run_key("a.train", "manual__1") == "a.train/manual__1"
    long = [run_key("a.train", "x" * 240 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(key) < 230 for key in long)
