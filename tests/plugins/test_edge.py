"""Perennial's errors as Airflow sees them."""

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from perennial_airflow.edge import error_edge
from perennial_airflow.operators.job import LimitedOperator

from ml.errors import CandidateError, StoreUnavailable
from ml.settings import Settings


def test_an_error_that_waiting_cannot_cure_fails_at_once() -> None:
    with pytest.raises(AirflowFailException, match="CandidateError: no class") as caught, error_edge():
        raise CandidateError("no class")
    assert isinstance(caught.value.__cause__, CandidateError)


def test_an_error_that_waiting_may_cure_is_tried_again() -> None:
    with pytest.raises(AirflowException, match="StoreUnavailable: no answer") as caught, error_edge():
        raise StoreUnavailable("no answer")
    assert not isinstance(caught.value, AirflowFailException)


def test_an_error_that_nobody_expected_passes_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), error_edge():
        _ = 1 / 0


class Endless(LimitedOperator):
    """A step that Airflow ends."""

    def job(self, settings: Settings, context: Any) -> None:
        raise AirflowTaskTimeout


def test_a_step_that_took_longer_than_it_may_is_not_tried_again_and_says_the_limit(settings: Settings) -> None:
    step = Endless(task_id="tune", model="shop", execution_timeout=timedelta(hours=6))
    with pytest.raises(AirflowFailException, match=r"tune was ended: it took longer than training.timeout \(6h\)\. Give it less to do"):
        step.execute({})  # type: ignore[arg-type]
