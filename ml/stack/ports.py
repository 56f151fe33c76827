"""Which ports the stack listens on, and whether they are free."""

import os
import socket
from dataclasses import dataclass
from typing import Self

import psutil

from ml.errors import CallError, StackError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports on loopback."""

    airflow: int = 8080
    mlflow: int = 5000

    def __post_init__(self) -> None:
        for name, port in self.named():
            if not 1 <= port <= 65535:
                raise CallError(f"{_variable(name)}={port} is not a port; write a number from 1 to 65535")
        if self.airflow == self.mlflow:
            raise CallError(f"Airflow and MLflow cannot both listen on port {self.airflow}; set {_variable('mlflow')} to another one")

    @classmethod
    def from_env(cls) -> Self:
        """Reads `PERENNIAL_AIRFLOW_PORT` (default 8080) and `PERENNIAL_MLFLOW_PORT` (default 5000)."""
        return cls(airflow=_read("airflow", cls().airflow), mlflow=_read("mlflow", cls().mlflow))

    def named(self) -> tuple[tuple[str, int], ...]:
        """Each port with whose it is."""
        return (("airflow", self.airflow), ("mlflow", self.mlflow))

    def demand_free(self) -> None:
        """Raises `StackError` that names every port in use, who has it where that can be seen, and how to choose another."""
        taken = [_taken(name, port) for name, port in self.named() if not _is_free(port)]
        if taken:
            raise StackError("nothing was started:\n" + "\n".join(taken))


def _taken(name: str, port: int) -> str:
    title = {"airflow": "Airflow", "mlflow": "MLflow"}[name]
    return f"  port {port}, which {title} would use, is taken{_holder(port)}. Choose another: {_variable(name)}={_free_near(port)}"


def _variable(name: str) -> str:
    return f"PERENNIAL_{name.upper()}_PORT"


def _read(name: str, default: int) -> int:
    text = os.environ.get(_variable(name)) or str(default)
    if not text.isdecimal():
        raise CallError(f"{_variable(name)}={text!r} is not a port; write a number from 1 to 65535")
    return int(text)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A port whose last connections are still closing is free: the servers bind it in the same way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise StackError(f"port {port} may not be used by this user: {error}. Choose one above 1023") from error
        except OSError:
            return False
    return True


def _free_near(port: int) -> int:
    return next((other for other in range(port + 1, min(port + 100, 65535)) if _is_free(other)), 0)


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
