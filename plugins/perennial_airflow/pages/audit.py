"""Airflow's audit log, for acts that Airflow does not carry out itself."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow._shared.secrets_masker import redact
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.models import Log
from airflow.utils.session import create_session

_LONGEST = 2000


class Entry:
    """A line in the audit log; what became of the act is added to it."""

    def __init__(self, number: int, facts: dict[str, Any]) -> None:
        self.number = number
        self.facts = facts

    def add(self, outcome: str) -> None:
        """Writes what became of it."""
        with create_session() as session:
            found = session.get(Log, self.number)
            if found is not None:
                found.extra = json.dumps({**self.facts, "outcome": outcome[:_LONGEST]})


@contextmanager
def audited(user: BaseUser, *, event: str, dag: str, facts: dict[str, Any]) -> Iterator[Entry]:
    """Around an act: its line is written before the act is done, so that none goes without; one that was killed stays `begun`."""
    kept = {name: redact(value, name) for name, value in facts.items()}
    with create_session() as session:
        line = Log(
            event=event,
            owner=user.get_name(),
            owner_display_name=user.get_name(),
            dag_id=dag,
            extra=json.dumps({**kept, "outcome": "begun"}),
        )
        session.add(line)
        session.flush()
        entry = Entry(line.id, kept)
    try:
        yield entry
    except BaseException as error:
        entry.add(f"failed: {type(error).__name__}: {error}")
        raise
