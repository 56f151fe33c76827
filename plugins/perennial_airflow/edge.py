"""The one place where Perennial's errors become Airflow's."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ml.errors import PerennialError


@contextmanager
def error_edge() -> Iterator[None]:
    """Turns a `PerennialError` into a failure that Airflow tries again (`retryable`) or not; other errors pass, and are tried again."""
    try:
        yield
    except PerennialError as error:
        kind = AirflowException if error.retryable else AirflowFailException
        raise kind(f"{type(error).__name__}: {error}") from error
