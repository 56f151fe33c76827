"""Which ports, and what is said when one is taken."""

import socket
from collections.abc import Iterator

import pytest

from ml import stack
from ml.errors import CallError, StackError
from ml.settings import Settings
from ml.stack import Ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_ports_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Ports.from_env() == Ports(airflow=8080, mlflow=5000)
    monkeypatch.setenv("PERENNIAL_AIRFLOW_PORT", "18080")
    monkeypatch.setenv("PERENNIAL_MLFLOW_PORT", "15000")
    assert Ports.from_env() == Ports(airflow=18080, mlflow=15000)


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "80.5"])
def test_what_is_no_port_is_refused_with_the_variables_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PERENNIAL_AIRFLOW_PORT", text)
    with pytest.raises(CallError, match=r"PERENNIAL_AIRFLOW_PORT=.*a number from 1 to 65535"):
        Ports.from_env()


def test_the_edges_of_the_range_are_ports() -> None:
    assert Ports(airflow=1, mlflow=65535).named() == (("airflow", 1), ("mlflow", 65535))


def test_the_same_port_twice_is_refused() -> None:
    with pytest.raises(CallError, match="cannot both listen on port 7000"):
        Ports(airflow=7000, mlflow=7000)


def test_a_taken_port_is_named_with_the_way_out_and_nothing_is_started(settings: Settings, taken: int) -> None:
    with pytest.raises(StackError, match=rf"port {taken}, which MLflow would use, is taken.*PERENNIAL_MLFLOW_PORT=\d+") as caught:
        stack.up(settings, ports=Ports(airflow=_free(), mlflow=taken))
    assert "nothing was started" in str(caught.value)
    assert {path.name for path in settings.home.iterdir()} == {"stack.lock"}
    assert stack.running(settings) is None


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
