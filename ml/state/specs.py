"""Resolved declarations by their hash: a run keeps the one that it started with."""

from datetime import datetime
from importlib.metadata import version

from pydantic import ValidationError
from sqlalchemy import select

from ml.errors import ModelOwnerError, SpecError
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
    """The declaration with this hash; `ModelOwnerError` if it was never stored, `SpecError` if this version does not accept it."""
    with state.begin() as connection:
        text = connection.execute(select(specs.c.text).where(specs.c.hash == key)).scalar()
    if text is None:
        raise ModelOwnerError(f"no declaration with hash {key} is in the state database; start the run again from its first task")
    return _read(text, key)


def newest(state: State, model: str) -> ModelSpec | None:
    """The declaration of the model that was used for the first time last; None where none was used; `SpecError` as above."""
    query = select(specs.c.text, specs.c.hash).where(specs.c.model == model).order_by(specs.c.first_used_at.desc(), specs.c.hash).limit(1)
    with state.begin() as connection:
        found = connection.execute(query).first()
    return None if found is None else _read(found.text, found.hash)


def _read(text: str, key: str) -> ModelSpec:
    try:
        return ModelSpec.from_text(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SpecError(
            f"the stored declaration {key} was written by another version of Perennial than this one ({version('perennial')}), which does "
            f"not accept it: {place}: {first['msg']}. Go back to the version that wrote it, or train again with a declaration of now"
        ) from error
