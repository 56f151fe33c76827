"""What never ends by itself is ended, and other alarms still come."""

import signal
import threading
import time
from datetime import timedelta

import pytest

from ml.errors import CandidateError
from ml.jobs.deadline import deadline

SOON, LATE = timedelta(seconds=0.05), timedelta(hours=1)


def stubborn(seconds: float) -> None:
    """Catches every `Exception`, as some candidates do."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except Exception:
            continue


def test_what_takes_too_long_is_ended_with_the_message() -> None:
    start = time.monotonic()
    with pytest.raises(CandidateError, match="too slow"), deadline(SOON, "too slow"):
        stubborn(20)
    assert time.monotonic() - start < 5


def test_what_ends_in_time_is_left_alone_and_no_alarm_stays() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with deadline(SOON, "too slow"):
        pass
    time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) == before


def test_an_error_of_the_block_comes_through() -> None:
    with pytest.raises(KeyError), deadline(LATE, "too slow"):
        raise KeyError


def test_an_alarm_that_was_set_before_still_comes() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, 0.3)
    came: list[float] = []
    signal.signal(signal.SIGALRM, lambda *_: came.append(time.monotonic()))
    try:
        with pytest.raises(CandidateError), deadline(SOON, "too slow"):
            stubborn(20)
        assert came == []
        time.sleep(0.5)
        assert len(came) == 1
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with deadline(LATE, "too slow"):  # the other one is earlier: it is not touched
            time.sleep(0.3)
        assert len(came) == 2
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, remaining, interval)


def test_in_another_thread_nothing_is_done() -> None:
    done: list[bool] = []

    def act() -> None:
        with deadline(SOON, "too slow"):
            time.sleep(0.2)
        done.append(True)

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    assert done == [True]
