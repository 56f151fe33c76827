"""The database of what is remembered: opening it, and one transaction at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, Engine, Executable, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from ml.errors import OperatorError, StoreUnavailable
from ml.settings import Settings
from ml.state.records import T, record

log = logging.getLogger(__name__)

HEAD = "0014"
"""The newest migration; a test holds it against the migrations folder."""
VERSION_TABLE = "perennial_version"
_SQLITE_WAIT_S = 30
_READS = "perennial_reads"


class State:
    """What is remembered, in one SQL database (SQLite or PostgreSQL). Safe to use from several processes at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, settings: Settings) -> "State":
        """Connects, and brings the tables to the newest migration if they are older.

        Raises `StoreUnavailable` if the database does not answer.
        """
        return _open(settings.state_url.get_secret_value())

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction; on SQLite it holds the write lock from its first moment, so that a read in it cannot go stale."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except (OperationalError, DBAPIError) as error:
            if isinstance(error, OperationalError) or error.connection_invalidated:
                raise StoreUnavailable(f"the state database did not answer: {error.orig}. Check {self._shown()}") from error
            raise

    def first(self, kind: type[T], query: Executable) -> T | None:
        """The record of the query's first row, in a transaction of its own; None where it finds none."""
        with self.begin() as connection:
            row = connection.execute(query).first()
        return record(kind, row) if row else None

    def all(self, kind: type[T], query: Executable) -> list[T]:
        """The records of all of its rows, in their order."""
        with self.begin() as connection:
            return [record(kind, row) for row in connection.execute(query)]

    @property
    def reader(self) -> "State":
        """The same database for who only reads, as pages do: on SQLite it neither waits for a writer nor keeps one waiting."""
        return State(self.engine.execution_options(**{_READS: True}))

    def _shown(self) -> str:
        return self.engine.url.render_as_string(hide_password=True)


@lru_cache(maxsize=8)
def _open(url: str) -> State:
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            _make_folder(Path(parsed.database).parent)
        engine = create_engine(parsed, connect_args={"timeout": _SQLITE_WAIT_S})
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        engine = create_engine(parsed, pool_pre_ping=True)
    state = State(engine)
    found = _version(state)
    if found is not None and found > HEAD:
        raise OperatorError(
            f"the state database {state._shown()} is of a newer Perennial (tables of version {found}, this one knows {HEAD}). Use the "
            "newer one, or restore the copy that was made before the upgrade"
        )
    if found != HEAD:
        _migrate(state)
    return state


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder of the state database cannot be made: {error}. Set PERENNIAL_HOME to a writable place"
        ) from error


def _sqlite_connect(connection: object, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # the driver must not open transactions of its own
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READS) else "BEGIN IMMEDIATE")


def _version(state: State) -> str | None:
    with state.begin() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
        return found


def _migrate(state: State) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with state.begin() as connection:
        if connection.dialect.name == "postgresql":  # one process migrates, the others wait and find it done
            connection.execute(text("SELECT pg_advisory_xact_lock(7305614)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    log.info("state database migrated version=%s", HEAD)
