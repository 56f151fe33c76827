"""An end for what a candidate's own code may never end by itself."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from ml.errors import CandidateError


class _TimeUp(BaseException):
    """Not an `Exception`: a candidate's code that catches those must not catch this."""


@contextmanager
def deadline(limit: timedelta, message: str) -> Iterator[None]:
    """Raises `CandidateError(message)` in the block when it takes longer than `limit`, as far as it can be done by a signal.

    Code outside Python is interrupted when it comes back. In another thread than the main one, and where an earlier alarm is set
    already (a scheduler's, a test's), nothing is done.
    """
    if threading.current_thread() is not threading.main_thread() or 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= limit.total_seconds():
        yield
        return
    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _end)
    later, interval = signal.setitimer(signal.ITIMER_REAL, max(limit.total_seconds(), 1e-3))
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeUp as end:
        raise CandidateError(message) from end
    finally:
        signal.signal(signal.SIGALRM, handler)
        if later:
            signal.setitimer(signal.ITIMER_REAL, max(later - (time.monotonic() - started), 1e-3), interval)


def _end(*_: object) -> None:
    raise _TimeUp
