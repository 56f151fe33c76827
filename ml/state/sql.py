"""What SQLite and PostgreSQL do alike but SQLAlchemy keeps per dialect."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import CTE, JSON, Connection, Integer, String, Table, cast, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite


def insert_once(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Inserts the row unless one with the same key is there; says whether it did. Safe under concurrency."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(values).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(statement).first() is not None


def upsert(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Inserts the row, or replaces the one with the same primary key."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    keys = [column.name for column in table.primary_key.columns]
    statement = insert(table).values(values)
    changes = {name: statement.excluded[name] for name in values if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes))


def lock(connection: Connection, name: str) -> None:
    """Lets one transaction at a time pass for this name, until it ends. SQLite's transactions are one at a time anyway."""
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def given(connection: Connection, numbers: Mapping[str, int]) -> CTE:
    """Rows of our own to join with, `model` and `number`: each is looked up in an index, where grouping would read all that there is.

    They travel as one JSON text, so that the statement is the same, and compiled once, however many there are.
    """
    rows = literal(json.dumps(list(numbers.items())), String)
    if connection.dialect.name == "postgresql":
        each = func.json_array_elements(cast(rows, JSON)).column_valued("each")
        return select(each.op("->>")(0).cast(String).label("model"), each.op("->>")(1).cast(Integer).label("number")).cte("given")
    value = func.json_each(rows).table_valued("value").c.value
    return select(
        func.json_extract(value, "$[0]", type_=String).label("model"), func.json_extract(value, "$[1]", type_=Integer).label("number")
    ).cte("given")
