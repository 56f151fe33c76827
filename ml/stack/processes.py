"""Starting components in sessions of their own, and finding everything that they have started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from ml.errors import StackError
from ml.stack.record import Stack, Started

TOKEN = "PERENNIAL_STACK"  # noqa: S105  # the name of a variable
_POLL_S = 0.1
_SAME_START_S = 0.05

_children: list[subprocess.Popen[bytes]] = []
"""Processes that this process has started: they must be waited for, or they stay as zombies."""
_ended: dict[int, int] = {}


def start(name: str, command: tuple[str, ...], *, environment: Mapping[str, str], folder: Path, log: Path) -> Started:
    """Starts a component as the leader of a new session, with its output in a file: no signal of this terminal reaches it."""
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"{name} could not be started: {error}. `make setup` installs what is missing") from error
    _children.append(process)
    return Started(name=name, pid=process.pid, started_at=_start_of(process.pid) or 0.0)


def is_alive(started: Started) -> bool:
    """Whether this very process still runs: another one with the same id does not count."""
    _reap()
    try:
        return psutil.Process(started.pid).status() != psutil.STATUS_ZOMBIE and not _was_reused(started)
    except psutil.NoSuchProcess:
        return False


def exit_status(started: Started) -> int | None:
    """With which status a process that this process has started has ended; None if it runs, or is not known here."""
    return _ended.get(started.pid)


def processes(stack: Stack) -> list[psutil.Process]:
    """Everything that runs and belongs to the stack: the members of its sessions, and whoever carries its token."""
    _reap()
    sessions = {started.pid: started for started in stack.components if not _was_reused(started)}
    return [process for process in psutil.process_iter() if _belongs(process, sessions, stack.token)]


def members(started: Started) -> list[psutil.Process]:
    """Everything that runs in a component's session, its leader included."""
    _reap()
    if _was_reused(started):
        return []
    return [process for process in psutil.process_iter() if _belongs(process, {started.pid: started}, None)]


def task_groups(scheduler: Started) -> set[int]:
    """The process groups of running tasks: those of the scheduler's session that are not its own."""
    groups = set()
    for process in members(scheduler):
        try:
            groups.add(os.getpgid(process.pid))
        except ProcessLookupError:
            continue
    return groups - {scheduler.pid}


def ask_to_end(started: Started) -> None:
    """SIGTERM to the component itself; nothing if it does not run."""
    if is_alive(started):
        _signal(os.kill, started.pid, signal.SIGTERM)


def kill_groups(groups: Iterable[int]) -> None:
    """SIGKILL to whole process groups."""
    for group in groups:
        _signal(os.killpg, group, signal.SIGKILL)


def kill(found: Iterable[psutil.Process]) -> None:
    """SIGKILL to each process, unless it has ended and its id belongs to another one."""
    for process in found:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def wait_until(done: Callable[[], bool], *, limit_s: float) -> bool:
    """Waits until `done()`; False when that took longer than `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _was_reused(started: Started) -> bool:
    """Whether the id belongs to another process now. While members of the session live, the system gives it to nobody."""
    start = _start_of(started.pid)
    return start is not None and abs(start - started.started_at) >= _SAME_START_S


def _start_of(pid: int) -> float | None:
    """When a process started, in seconds since the machine did; None if it has ended.

    Not psutil's time of day: that moves for running processes whenever the clock is set.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (FileNotFoundError, ProcessLookupError):
        pass
    try:
        return None if Path("/proc/self/stat").exists() else float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _belongs(process: psutil.Process, sessions: Mapping[int, Started], token: str | None) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        session = sessions.get(os.getsid(process.pid))
        if session is not None and (_start_of(process.pid) or 0.0) >= session.started_at - _SAME_START_S:
            return True
        return token is not None and bool(process.environ().get(TOKEN) == token)
    except (psutil.Error, OSError):
        return False


def _signal(send: Callable[[int, int], None], to: int, number: int) -> None:
    try:
        send(to, number)
    except ProcessLookupError:
        return


def _reap() -> None:
    for child in [child for child in _children if child.poll() is not None]:
        _ended[child.pid] = child.returncode
        _children.remove(child)
