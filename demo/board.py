"""What the terminal shows while the story plays: the step, the run, its tasks, and how long they have taken."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from demo.rest import Task

_MARKS = {
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "running": ("▸", "cyan"),
    "skipped": ("–", "dim"),
    "up_for_retry": ("↻", "yellow"),
}
_LINES = 14


class Board:
    """A live picture in a terminal; elsewhere one line for each thing that happens."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._title = ""
        self._doing = ""
        self._tasks: Sequence[Task] = ()
        self._started = 0.0
        self._told: set[tuple[str, str | None]] = set()
        self._spinner = Spinner("dots", style="cyan")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Shows the step until it ends."""
        self._title, self._doing, self._tasks, self._started = title, "", (), time.monotonic()
        self._told.clear()
        if not self.console.is_terminal:
            self.console.print(f"… {title}", highlight=False, markup=False, soft_wrap=True)
            yield
            return
        with Live(self, console=self.console, refresh_per_second=8, transient=True):
            yield

    @property
    def elapsed_s(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._started

    def show(self, doing: str, tasks: Sequence[Task] = ()) -> None:
        """Says what happens now."""
        if not self.console.is_terminal:
            self._tell(doing, tasks)
        self._doing, self._tasks = doing, tasks

    def outcome(self, title: str, sentence: str) -> None:
        """Writes the line of a finished step, which stays."""
        line = Text.assemble(("✓ ", "green"), (title, "bold"), f"  {self.elapsed_s:.0f} s\n  {sentence}")
        self.console.print(line, soft_wrap=not self.console.is_terminal)

    def __rich__(self) -> RenderableType:
        head = f" {self._title}" + (f" · {self._doing}" if self._doing else "") + f" · {self.elapsed_s:.0f} s"
        self._spinner.update(text=Text(head))
        hidden = len(self._tasks) - _LINES
        lines = [_line(task) for task in (self._tasks[-_LINES:] if hidden > 0 else self._tasks)]
        if hidden > 0:
            lines.insert(0, Text(f"    … {hidden} tasks before these", style="dim"))
        return Group(self._spinner, *lines)

    def _tell(self, doing: str, tasks: Sequence[Task]) -> None:
        if doing != self._doing:
            self.console.print(f"  {self.elapsed_s:4.0f} s  {doing}", highlight=False, markup=False, soft_wrap=True)
        for task in tasks:
            if task.state in {"running", "success", "failed", "up_for_retry"} and (task.name, task.state) not in self._told:
                self._told.add((task.name, task.state))
                self.console.print(f"  {self.elapsed_s:4.0f} s    {task.name}: {task.state}", highlight=False, markup=False, soft_wrap=True)


def _line(task: Task) -> Text:
    mark, style = _MARKS.get(task.state or "", ("·", "dim"))
    took = f"  {task.seconds:.1f} s" if task.seconds is not None and task.state != "skipped" else ""
    return Text(f"    {mark} {task.name}  {task.state or 'waiting'}{took}", style=style)
