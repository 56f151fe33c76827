"""One real stack for the end-to-end tests: Airflow and MLflow on ports of their own, in a project and a home of their own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.rest import Airflow
from ml import stack
from ml.settings import Settings
from ml.stack import Addresses, Ports
from ml.state import State

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installation:
    """A project with a running stack."""

    settings: Settings
    addresses: Addresses
    environment: dict[str, str]

    @property
    def state(self) -> State:
        return State.open(self.settings)

    def airflow(self) -> Airflow:
        return Airflow(url=self.addresses.airflow, user=self.addresses.user, password=self.addresses.password)

    def perennial(self, *arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("perennial")), *arguments]
        return subprocess.run(
            command, cwd=self.settings.project, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """A stack that runs for the whole session; its end is part of the test."""
    folder = Path(tempfile.mkdtemp(prefix="perennial-e2e-"))
    project = folder / "project"
    shutil.copytree(ROOT / "dags", project / "dags")
    shutil.copytree(ROOT / "expectations", project / "expectations")
    ports = Ports(airflow=free_port(), mlflow=free_port())
    ours = {"PERENNIAL_PROJECT": str(project), "PERENNIAL_HOME": str(folder / "home")}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in ours.items():
            environment.setenv(name, value)
        settings = Settings.from_env()
    try:
        addresses = stack.up(settings, ports=ports)
        yield Installation(settings, addresses, {**os.environ, **ours, "COLUMNS": "200"})
    finally:
        stack.down(settings)
        left = [line for line in _processes() if str(folder) in line]
        shutil.rmtree(folder, ignore_errors=True)
    assert left == []


def _processes() -> list[str]:
    """Environment and command line of every process of this user that one may read."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                found.append(f"{entry.name} {(entry / 'cmdline').read_bytes()!r} {(entry / 'environ').read_bytes()!r}")
            except OSError:
                continue
    return found
