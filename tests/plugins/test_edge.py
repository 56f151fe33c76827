"""Perennial's errors as Airflow sees them."""

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from perennial_airflow.edge import error_edge

from ml.errors import CandidateError, StoreUnavailable


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
