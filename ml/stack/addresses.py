"""Where a running stack answers, and how to log in."""

import json
from dataclasses import dataclass
from pathlib import Path

from ml.settings import Settings
from ml.stack import processes, record

USER = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the stack answers. The password stands in a file that only this user can read."""

    airflow: str
    mlflow: str
    user: str
    password_file: Path

    @property
    def password(self) -> str:
        """The password of `user` for Airflow."""
        found: str = json.loads(self.password_file.read_text(encoding="utf-8"))[self.user]
        return found


def password_file(settings: Settings) -> Path:
    """Where Airflow's simple auth manager has the passwords."""
    return settings.home / "airflow" / "passwords.json"


def of(settings: Settings, stack: record.Stack) -> Addresses:
    """The addresses of a started stack."""
    return Addresses(airflow=stack.airflow_url, mlflow=stack.mlflow_url, user=USER, password_file=password_file(settings))


def running(settings: Settings) -> Addresses | None:
    """Where the stack of this home is; None unless each of its components runs."""
    stack = record.read(settings)
    if stack is None or not stack.components or not all(processes.is_alive(started) for started in stack.components):
        return None
    return of(settings, stack)
