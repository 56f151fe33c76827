"""An end for what a candidate's own code may never end by itself.

That code runs in a thread of its own, and the caller waits. A signal would not do: code outside Python, such as scikit-learn's support
vector machines, never comes back to be interrupted, but it lets other threads run.
"""

import contextvars
import ctypes
import faulthandler
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from ml.errors import CandidateError

log = logging.getLogger(__name__)

T = TypeVar("T")
_GRACE_S = 5.0
"""How long it may take to come to its end once it was told to."""
_AGAIN_S = 1.0
"""How often it is told: a bare `except` swallows what it is told once."""
_LAST_RESORT_S = 60.0
"""So long after the limit the process is ended, if no other thread could run: code that holds Python's lock cannot be left behind."""
_STANDARD_ERROR = 2


class _TimeUp(BaseException):
    """Not an `Exception`: a candidate's code that catches those must not catch this."""


def within(limit: timedelta, message: str, act: Callable[[], T]) -> T:
    """What `act` returns or raises, unless it takes longer than `limit`.

    Then it is interrupted. Where that does not help within seconds it is left behind: it runs on beside what follows, is interrupted
    whenever it comes back to Python, and ends with the process. Code that lets no other thread run ends the process, a minute after the
    limit. An exception that is raised in the waiting thread, as by Ctrl-C or by a scheduler's own alarm, interrupts it likewise.

    Raises:
        CandidateError: With `message`: it took longer.
    """
    work = _Work(act)
    faulthandler.dump_traceback_later(limit.total_seconds() + _LAST_RESORT_S, exit=True, file=_STANDARD_ERROR)
    try:
        work.thread.start()
        if work.over.wait(limit.total_seconds()):
            return work.outcome()
        work.end()
        raise CandidateError(message) from work.error
    except BaseException:
        if not work.over.is_set() and not work.left_behind:
            work.end()
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()


class _Work(Generic[T]):
    """A call in a thread of its own. The thread does not keep the process alive."""

    def __init__(self, act: Callable[[], T]) -> None:
        self.act = act
        self.found: list[T] = []
        self.error: BaseException | None = None
        self.left_behind = False
        self.over = threading.Event()  # an exception while a thread is joined makes Python 3.11 take it for ended
        self._door = threading.Lock()
        self._is_open = True
        context = contextvars.copy_context()
        self.thread = threading.Thread(target=lambda: context.run(self._run), name="candidate", daemon=True)

    def outcome(self) -> T:
        """What the call returned or raised, after its end."""
        if self.error is None:
            return self.found[0]
        try:
            raise self.error
        finally:
            self.error = None  # else it holds the frame that holds it, and all rows with it

    def end(self) -> None:
        """Interrupts the call until it has ended, for seconds at most; then goes on with that in the background."""
        for _ in range(round(_GRACE_S / _AGAIN_S)):
            self._interrupt()
            if self.over.wait(_AGAIN_S):
                return
        self.left_behind = True
        log.warning("candidate's code could not be interrupted: it runs on until it comes back to Python or the process ends")
        threading.Thread(target=self._pursue, name="candidate's end", daemon=True).start()

    def _pursue(self) -> None:
        while not self.over.wait(_AGAIN_S):
            self._interrupt()

    def _run(self) -> None:
        try:
            try:
                self.found.append(self.act())
            except BaseException as error:  # raised again in the waiting thread
                self.error = error
            with self._door:
                self._is_open = False
                _raise_in(self.thread, None)
        except _TimeUp as late:  # it came after the end of the work
            self.error = self.error or late
            self._is_open = False
        finally:
            self.over.set()

    def _interrupt(self) -> None:
        with self._door:  # a thread that is over leaves its number to another one
            if self._is_open:
                _raise_in(self.thread, _TimeUp)


def _raise_in(thread: threading.Thread, error: type[BaseException] | None) -> None:
    """Raises in a thread as soon as it runs Python code; None takes back what has not been raised yet."""
    given = ctypes.py_object() if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), given)
