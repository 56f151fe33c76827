"""What never ends by itself is ended or left behind, and the caller goes on."""

import logging
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC

from ml.errors import CandidateError
from ml.jobs import deadline
from ml.jobs.deadline import within

SOON, LATE = timedelta(seconds=0.05), timedelta(hours=1)

HOLDS_ALL = """
import re
from datetime import timedelta
from ml.jobs import deadline
deadline._LAST_RESORT_S = 1.0
deadline.within(timedelta(seconds=0.1), "too slow", lambda: re.match("(a+)+$", "a" * 60 + "b"))
"""


def stubborn(seconds: float) -> str:
    """Catches every `Exception`, as some candidates do."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except Exception:
            continue
    return "done"


def deaf(times: int) -> None:
    """Swallows what interrupts it so many times."""
    for _ in range(times + 1):
        try:
            stubborn(20)
        except:  # noqa: E722
            continue


def outside_python() -> None:
    """Stays in a support vector machine for seconds, as one does for hours where `max_iter` is left out."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2500, 10)) * [1, 10, 100, 1000, 1, 1, 1, 1, 1, 1]
    SVC(kernel="linear", C=1e5, tol=1e-9, max_iter=300_000).fit(rows, (rng.random(2500) < 0.5).astype(int))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not wait for long."""
    monkeypatch.setattr(deadline, "_GRACE_S", 0.5)
    monkeypatch.setattr(deadline, "_AGAIN_S", 0.1)


def candidates() -> list[threading.Thread]:
    """The threads at work, but those that are about to end."""
    found = [one for one in threading.enumerate() if one.name == "candidate"]
    for one in found:
        one.join(0.05)
    return [one for one in found if one.is_alive()]


def test_what_takes_too_long_is_ended_with_the_message() -> None:
    before, start = candidates(), time.monotonic()
    with pytest.raises(CandidateError, match="too slow"):
        within(SOON, "too slow", lambda: stubborn(20))
    assert time.monotonic() - start < 5
    assert [one for one in candidates() if one not in before] == []


def test_what_ends_in_time_gives_what_it_returns_or_raises() -> None:
    assert within(LATE, "too slow", lambda: stubborn(0.01)) == "done"
    for error in (KeyError, SystemExit):
        with pytest.raises(error):
            within(LATE, "too slow", lambda error=error: (_ for _ in ()).throw(error()))  # type: ignore[misc]


def test_code_that_swallows_the_interruption_is_interrupted_again(quick: None) -> None:
    before, start = candidates(), time.monotonic()
    with pytest.raises(CandidateError, match="too slow"):
        within(SOON, "too slow", lambda: deaf(2))
    assert time.monotonic() - start < 5
    assert [one for one in candidates() if one not in before] == []


def test_code_outside_python_is_left_behind_and_the_caller_goes_on(quick: None, caplog: pytest.LogCaptureFixture) -> None:
    over, start = threading.Event(), time.monotonic()

    def act() -> None:
        try:
            outside_python()
        finally:
            over.set()

    with caplog.at_level(logging.WARNING), pytest.raises(CandidateError, match="too slow"):
        within(SOON, "too slow", act)
    assert time.monotonic() - start < 10
    assert not over.is_set()
    assert "could not be interrupted" in caplog.text
    assert within(LATE, "too slow", lambda: stubborn(0.01)) == "done"


def test_what_was_left_behind_ends_when_it_comes_back_to_python(quick: None) -> None:
    before, go_on, after = candidates(), threading.Event(), []

    def act() -> None:
        go_on.wait()  # a lock: nothing interrupts it
        after.append("went on")

    with pytest.raises(CandidateError, match="too slow"):
        within(SOON, "too slow", act)
    left = [one for one in candidates() if one not in before]
    assert len(left) == 1
    go_on.set()
    left[0].join(5)
    assert not left[0].is_alive()
    assert after == []


def test_an_alarm_in_the_waiting_thread_interrupts_the_work_and_comes_through() -> None:
    class Alarm(BaseException):
        """A scheduler's time limit."""

    def ring(*_: Any) -> None:
        raise Alarm

    before, ended, handler = candidates(), threading.Event(), signal.signal(signal.SIGALRM, ring)

    def act() -> None:
        try:
            stubborn(20)
        finally:
            ended.set()

    remaining, interval = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Alarm):
            within(LATE, "too slow", act)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, remaining, interval)
    assert ended.is_set()
    assert [one for one in candidates() if one not in before] == []


def test_code_that_lets_no_other_thread_run_ends_the_process() -> None:
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", HOLDS_ALL], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert time.monotonic() - start < 30
