"""A throw-away installation with a running stack: a project, a home and ports of its own. For tests and benchmarks."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.rest import Airflow
from ml import stack
from ml.settings import Settings
from ml.stack import Addresses, Ports
from ml.state import State

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Installation:
    """A project with a running stack. `environment` makes the command work on it."""

    settings: Settings
    addresses: Addresses
    environment: dict[str, str]

    @property
    def state(self) -> State:
        """Its state database."""
        return State.open(self.settings)

    def airflow(self) -> Airflow:
        """A session with its Airflow."""
        return Airflow(url=self.addresses.airflow, user=self.addresses.user, password=self.addresses.password)

    def perennial(self, *arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """Runs the command `perennial` in it."""
        with self.begun(*arguments) as running:
            out, err = running.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)

    @contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The command `perennial` while it runs in it; killed if it still does at the end."""
        command, pipe = [str(Path(sys.executable).with_name("perennial")), *arguments], subprocess.PIPE
        with subprocess.Popen(command, cwd=self.settings.project, env=self.environment, stdout=pipe, stderr=pipe, text=True) as running:
            try:
                yield running
            finally:
                running.kill()


@contextmanager
def throw_away() -> Iterator[Installation]:
    """Starts the stack on free ports with copies of this project's models; ends it and deletes everything afterwards.

    While it is open, the `PERENNIAL_*` variables of this process name it.
    """
    folder = Path(tempfile.mkdtemp(prefix="perennial-"))
    project = folder / "project"
    for name in ("dags", "expectations"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    ours = {"PERENNIAL_PROJECT": str(project), "PERENNIAL_HOME": str(folder / "home")}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    settings = Settings.from_env()
    try:
        addresses = stack.up(settings, ports=Ports(airflow=_free_port(), mlflow=_free_port()))
        yield Installation(settings, addresses, {**os.environ, "COLUMNS": "200"})
    finally:
        stack.down(settings)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
