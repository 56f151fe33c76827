"""What is running: `<home>/stack.json`, written after each start, so that also an `up` that was killed can be ended."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ml.errors import StackError
from ml.settings import Settings


class Started(BaseModel):
    """One component. `started_at` is the process's start, in seconds since the machine's: with the id it names one process of a boot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pid: int
    started_at: float


class Stack(BaseModel):
    """A started stack. `token` stands in the environment of each of its processes, also of those that left their session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str
    boot: str
    airflow_url: str
    mlflow_url: str
    scratch: Path
    components: tuple[Started, ...] = ()


def boot() -> str:
    """Names the machine's present run: after a restart, process ids mean nothing."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def read(settings: Settings) -> Stack | None:
    """The stack that was started last and not ended; None if there is none, or the machine was restarted since."""
    try:
        stack = Stack.model_validate_json(_path(settings).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StackError(
            f"{_path(settings)} cannot be read, so it is not known what runs: look for processes of Airflow and MLflow, end them, "
            f"delete the file"
        ) from error
    return stack if stack.boot == boot() else None


def write(settings: Settings, stack: Stack) -> None:
    """Replaces the record whole; only this user can read it."""
    write_private(_path(settings), stack.model_dump_json(indent=2) + "\n")


def forget(settings: Settings) -> None:
    """Nothing runs any more. Idempotent."""
    _path(settings).unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only this user can read, whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """One start or end at a time in a home."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "stack.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"another `perennial up` or `perennial down` is at work in {settings.home}; wait for its end") from error
        yield


def _path(settings: Settings) -> Path:
    return settings.home / "stack.json"
