"""The result of a query as a delivery: one JSON object a line, so that the same result has the same bytes."""

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ml.data.faults import first_few, shown
from ml.errors import ModelOwnerError, StoreUnavailable

_FETCH_ROWS = 10_000


def fetch_rows(url: str, query: str, target: Path) -> tuple[Path, str]:
    """Runs the query and writes its rows to `target`; returns the path and the SHA-256 of the bytes.

    The rows keep the order that the database gives: a query without ORDER BY may bring the same rows as a new batch.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

    try:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
        raise ModelOwnerError(
            "data.source.url is not a database URL that can be used here; check it and that its driver is installed"
        ) from None  # its message may hold a part of the password
    digest = hashlib.sha256()
    try:
        with engine.connect() as connection, target.open("wb") as stream:
            result = connection.execution_options(stream_results=True).execute(text(query))
            names = list(result.keys())
            if doubled := sorted({name for name in names if names.count(name) > 1}):
                raise ModelOwnerError(f"data.source.query gives columns twice: {first_few(doubled)}; name each with AS")
            while rows := result.fetchmany(_FETCH_ROWS):
                lines = "".join(_line(names, row) for row in rows).encode()
                digest.update(lines)
                stream.write(lines)
    except OperationalError as error:
        raise StoreUnavailable(f"the database of data.source did not answer or refused the query: {shown(error.orig)}") from error
    except SQLAlchemyError as error:
        raise ModelOwnerError(f"data.source.query cannot be run: {shown(getattr(error, 'orig', error))}") from error
    finally:
        engine.dispose()
    return target, digest.hexdigest()


def _line(names: list[str], row: Any) -> str:
    return json.dumps(dict(zip(names, row, strict=True)), default=_plain, ensure_ascii=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    from decimal import Decimal

    if isinstance(value, Decimal):
        return float(value)
    return str(value)
