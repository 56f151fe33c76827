"""Where the seconds of a call go, seen from outside: a thread looks at the stack every few milliseconds."""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Self

EVERY_S = 0.01

Stack = list[tuple[str, str]]
"""(module, function), the innermost first."""


@dataclass(slots=True)
class Sampler:
    """While it is open, adds up wall and CPU seconds of this process under the names that `place` gives to stacks.

    They are the main thread's, or where that waits for a candidate's own thread (`ml.jobs.deadline`), that one's on top of it.

    A call that holds the interpreter's lock delays a look; what passed meanwhile is put down to it when it returns.
    """

    place: Callable[[Stack], str]
    wall_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, args=(threading.get_ident(),), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, thread: int) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        while not self._end.wait(EVERY_S):
            frames = sys._current_frames()
            waited_for = [one.ident for one in threading.enumerate() if one.name == "candidate"]
            name = self.place([*(one for ident in waited_for[-1:] for one in _stack(frames.get(ident or 0))), *_stack(frames.get(thread))])
            now_wall, now_cpu = time.perf_counter(), time.process_time()
            self.wall_s[name] += now_wall - wall
            self.cpu_s[name] += now_cpu - cpu
            wall, cpu = now_wall, now_cpu


def _stack(frame: FrameType | None) -> Stack:
    found: Stack = []
    while frame is not None:
        found.append((str(frame.f_globals.get("__name__", "")), frame.f_code.co_name))
        frame = frame.f_back
    return found
