"""What is remembered about a running stack, and when it no longer counts."""

import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ml import stack
from ml.errors import StackError
from ml.settings import Settings
from ml.stack import processes, record
from ml.stack.record import Stack, Started

_SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def home(settings: Settings) -> Path:
    settings.home.mkdir(parents=True)
    return settings.home


def _stack(home: Path, *components: Started, boot: str | None = None, token: str = "t0") -> Stack:
    scratch = home / "tmp"
    scratch.mkdir(exist_ok=True)
    return Stack(
        token=token,
        boot=record.boot() if boot is None else boot,
        airflow_url="http://127.0.0.1:1",
        mlflow_url="http://127.0.0.1:2",
        scratch=scratch,
        components=components,
    )


def _start(home: Path, command: tuple[str, ...] = _SLEEP, *, name: str = "mlflow", token: str = "t0") -> Started:
    environment = {**os.environ, processes.TOKEN: token}
    return processes.start(name, command, environment=environment, folder=home, log=home / "log")


def test_the_record_is_private_and_gives_back_what_was_written(settings: Settings, home: Path) -> None:
    written = _stack(home, Started(name="mlflow", pid=4, started_at=1.5))
    record.write(settings, written)
    assert record.read(settings) == written
    assert stat.S_IMODE((home / "stack.json").stat().st_mode) == 0o600


def test_after_a_restart_of_the_machine_nothing_runs(settings: Settings, home: Path) -> None:
    record.write(settings, _stack(home, Started(name="mlflow", pid=os.getpid(), started_at=0.0), boot="another"))
    assert record.read(settings) is None
    said: list[str] = []
    stack.down(settings, on_progress=said.append)
    assert said == [f"no stack runs for {settings.home}"]
    assert not (home / "stack.json").exists()


def test_another_process_with_the_same_id_is_neither_ours_nor_ended(settings: Settings, home: Path) -> None:
    stranger = subprocess.Popen(_SLEEP, start_new_session=True)
    try:
        record.write(settings, _stack(home, Started(name="mlflow", pid=stranger.pid, started_at=1.0)))
        assert stack.running(settings) is None
        stack.down(settings)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_unreadable_record_is_not_taken_for_none(settings: Settings, home: Path) -> None:
    (home / "stack.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StackError, match=r"stack\.json cannot be read"):
        stack.down(settings)


def test_down_ends_sessions_and_whoever_left_them(settings: Settings, home: Path) -> None:
    # A component that ignores SIGTERM, has a child in a group of its own, and one in a session of its own.
    script = (
        "import signal, subprocess, sys, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "own = [subprocess.Popen(sleep, process_group=0).pid, subprocess.Popen(sleep, start_new_session=True).pid]\n"
        "pathlib.Path('pids').write_text(' '.join(map(str, own))); time.sleep(600)"
    )
    started = _start(home, (sys.executable, "-c", script))
    record.write(settings, _stack(home, started))
    assert processes.wait_until((home / "pids").exists, limit_s=30)
    assert processes.wait_until(lambda: len(processes.processes(_stack(home, started))) == 3, limit_s=30)
    stack.down(settings)
    assert processes.processes(_stack(home, started)) == []
    for pid in (started.pid, *map(int, (home / "pids").read_text(encoding="utf-8").split())):
        assert not _runs(pid)


def test_down_knows_its_own_also_when_the_session_leader_has_died(settings: Settings, home: Path) -> None:
    script = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], env={})"
    started = _start(home, (sys.executable, "-c", script))
    assert processes.wait_until(lambda: not processes.is_alive(started), limit_s=30)
    record.write(settings, _stack(home, started, token="another"))
    assert len(processes.members(started)) == 1
    stack.down(settings)
    assert processes.members(started) == []


def test_two_starts_at_the_same_time_are_refused(settings: Settings, home: Path) -> None:
    with record.alone(settings):
        other = multiprocessing.get_context("spawn").Process(target=_try_down, args=(settings,))
        other.start()
        other.join(60)
        assert other.exitcode == 7


def _try_down(settings: Settings) -> None:
    try:
        stack.down(settings)
    except StackError as error:
        sys.exit(7 if "another `perennial up`" in str(error) else 8)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
