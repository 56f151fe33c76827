"""Ending the stack so that no process is left, also in the middle of a training, in less than 30 seconds.

The order was found by trial: a scheduler with a running task waits for it without limit, each task has a process group of its own,
and the scheduler needs the API server in order to end cleanly.
"""

import shutil
from collections.abc import Callable

from ml.errors import StackError
from ml.settings import Settings
from ml.stack import processes, record
from ml.stack.record import Stack, Started
from ml.wording import counted

_TASKS_S = 6.0
"""How long running tasks may go on; a training takes longer, and is done again after the next start."""
_SCHEDULER_S = 10.0
_SERVERS_S = 5.0
_KILLED_S = 3.0


def down(settings: Settings, *, on_progress: Callable[[str], None] = lambda _: None) -> None:
    """Ends the stack of this home; says so if none runs. Raises `StackError` if a process survived."""
    with record.alone(settings):
        stack = record.read(settings)
        if stack is None:
            record.forget(settings)
            on_progress(f"no stack runs for {settings.home}")
            return
        end(settings, stack, on_progress=on_progress)
        on_progress("the stack has ended")


def end(settings: Settings, stack: Stack, *, on_progress: Callable[[str], None]) -> None:
    """Ends everything that belongs to a stack, however far its start has come. The caller holds the home's lock."""
    named = {started.name: started for started in stack.components}
    scheduler = named.pop("scheduler", None)
    if scheduler is not None:
        on_progress("ending the scheduler")
        for name in ("dag-processor", "triggerer"):
            if name in named:
                processes.ask_to_end(named[name])
        _end_scheduler(scheduler, on_progress)
    on_progress("ending the servers")
    _end_servers(list(named.values()))
    _kill_rest(stack, on_progress)
    shutil.rmtree(stack.scratch, ignore_errors=True)
    record.forget(settings)


def _end_scheduler(scheduler: Started, on_progress: Callable[[str], None]) -> None:
    processes.ask_to_end(scheduler)
    if not processes.wait_until(lambda: not processes.task_groups(scheduler), limit_s=_TASKS_S):
        groups = processes.task_groups(scheduler)
        on_progress(f"ending {len(groups)} running task process{'es' if len(groups) != 1 else ''}; the next start does them again")
        processes.kill_groups(groups)
    processes.wait_until(lambda: not processes.members(scheduler), limit_s=_SCHEDULER_S)


def _end_servers(servers: list[Started]) -> None:
    for server in servers:
        processes.ask_to_end(server)
    processes.wait_until(lambda: not any(processes.members(server) for server in servers), limit_s=_SERVERS_S)


def _kill_rest(stack: Stack, on_progress: Callable[[str], None]) -> None:
    def is_gone() -> bool:
        found = processes.processes(stack)
        processes.kill(found)
        return not found

    left = processes.processes(stack)
    if left:
        on_progress(f"ending {counted(len(left), 'process', plural='processes')} that did not end in time")
    if not processes.wait_until(is_gone, limit_s=_KILLED_S):
        survivors = ", ".join(str(process.pid) for process in processes.processes(stack))
        raise StackError(f"these processes of the stack could not be ended: {survivors}. End them by hand, then run `perennial down` again")
