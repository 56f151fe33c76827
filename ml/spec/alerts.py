"""Who is told when something needs a person."""

import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from ml.spec.types import Declared

AlertKind = Literal["monitoring", "alarm", "drift", "quality", "estimate", "retrain", "training", "quarantine", "rollback"]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
_SECRET = re.compile(r"(?i)pass(word|wd|phrase)|secret|token|api_?key|credential")
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


class AlertChannel(Declared):
    """One way to tell people: a notifier of Airflow, by its class or by the connection that it uses. Secrets stand in the connection."""

    connection: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,200}$")] | None = None
    """The id of an Airflow connection (smtp, http, slackwebhook, slack or apprise): its type says which notifier is used."""
    notifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")] | None = None
    """The dotted path of a class that extends Airflow's BaseNotifier."""
    params: dict[str, Any] = Field(default_factory=dict)
    """What the notifier is made with; texts may use `{{ alert.title }}`, `{{ alert.text }}`, `{{ alert.html }}`, `{{ alert.link }}`."""
    events: tuple[AlertKind, ...] | None = None
    """Which events are told through it; default: all."""

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if (self.connection is None) == (self.notifier is None):
            raise ValueError("write either connection (the id of an Airflow connection) or notifier (the dotted path of a class)")
        for path, value in _values("", self.params):
            if _SECRET.search(path) or (isinstance(value, str) and _PASSWORD_IN_URL.search(value)):
                raise ValueError(f"params{path}: looks like a secret; keep it in an Airflow connection and name that one")
        return self


def _values(path: str, value: object) -> list[tuple[str, object]]:
    """Each single value with its place."""
    if isinstance(value, dict):
        return [found for name, one in value.items() for found in _values(f"{path}.{name}", one)]
    if isinstance(value, list | tuple):
        return [found for one in value for found in _values(path, one)]
    return [(path, value)]
