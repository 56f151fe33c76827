"""Resolved declarations by their hash: a run keeps the one that it started with."""

from datetime import datetime

from sqlalchemy import select

from ml.errors import ModelOwnerError
from ml.spec import ModelSpec
from ml.state.sql import insert_once
from ml.state.store import State
from ml.state.tables import specs


def remember(state: State, spec: ModelSpec, *, at: datetime) -> str:
    """Stores the declaration and returns its hash. Idempotent."""
    key = spec.hash()
    with state.begin() as connection:
        insert_once(connection, specs, {"hash": key, "model": spec.model, "text": spec.to_text(), "first_used_at": at})
    return key


def recall(state: State, key: str) -> ModelSpec:
    """The declaration with this hash; `ModelOwnerError` if it was never stored."""
    with state.begin() as connection:
        text = connection.execute(select(specs.c.text).where(specs.c.hash == key)).scalar()
    if text is None:
        raise ModelOwnerError(f"no declaration with hash {key} is in the state database; start the run again from its first task")
    return ModelSpec.from_text(text)


def newest(state: State, model: str) -> ModelSpec | None:
    """The declaration of the model that was used for the first time last; None where none was used."""
    query = select(specs.c.text).where(specs.c.model == model).order_by(specs.c.first_used_at.desc(), specs.c.hash).limit(1)
    with state.begin() as connection:
        text = connection.execute(query).scalar()
    return None if text is None else ModelSpec.from_text(text)
