"""Starting the stack: ports first, then databases and servers, then what needs them."""

import json
import secrets
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ml.errors import StackError
from ml.settings import Settings
from ml.stack import addresses, ending, processes, record
from ml.stack.addresses import Addresses
from ml.stack.environment import airflow_url, environment, has_own_mlflow, make_scratch, mlflow_url
from ml.stack.ports import LOOPBACK, Ports
from ml.stack.record import Stack, Started

_START_S = 300.0
_ANSWER_S = 5.0
_TAIL_LINES = 25
_PASSWORD_BYTES = 16


def up(settings: Settings, *, ports: Ports | None = None, on_progress: Callable[[str], None] = lambda _: None) -> Addresses:
    """Starts Airflow and MLflow and returns where they are, as soon as DAGs can run; does nothing where they run already.

    Raises:
        StackError: A port is taken (nothing was started), or a component ended or did not answer (what was started has been ended);
            the message has the end of its log.
    """
    with record.alone(settings):
        found = addresses.running(settings)
        if found is not None:
            on_progress("the stack runs already")
            return found
        if (left := record.read(settings)) is not None:
            on_progress("ending what is left of an earlier start")
            ending.end(settings, left, on_progress=on_progress)
        chosen = ports or Ports.from_env()
        chosen.demand_free()
        starting = _Start(settings, chosen, on_progress)
        try:
            return starting.run()
        except BaseException:
            on_progress("ending what was started")
            ending.end(settings, starting.stack, on_progress=on_progress)
            raise


class _Start:
    """One start: what runs so far is in the record before the next component starts."""

    def __init__(self, settings: Settings, ports: Ports, on_progress: Callable[[str], None]) -> None:
        self._settings = settings
        self._ports = ports
        self._say = on_progress
        self._logs = settings.home / "logs"
        self._work = settings.home / "airflow" / "work"
        for folder in (self._logs, self._work, settings.home / "mlflow" / "artifacts", settings.home / "cache", settings.incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self._work.parent.chmod(0o700)
        scratch = make_scratch(settings)
        token = secrets.token_hex(16)
        self.stack = Stack(
            token=token,
            boot=record.boot(),
            airflow_url=airflow_url(ports),
            mlflow_url=mlflow_url(settings, ports),
            scratch=scratch,
        )
        self._environment = environment(settings, ports, token=token, scratch=scratch)

    def run(self) -> Addresses:
        _make_password(addresses.password_file(self._settings))
        self._say("preparing the databases")
        if has_own_mlflow(self._settings):
            self._component("mlflow", _mlflow_command(self._settings, self._ports))
        self._migrate()
        self._say("starting Airflow's API server")
        self._component("api-server", (_script("airflow"), "api-server", "--host", LOOPBACK, "--port", str(self._ports.airflow)))
        self._wait("api-server", lambda: _answers(f"{self.stack.airflow_url}/api/v2/monitor/health"))
        self._say("starting scheduler, dag-processor and triggerer")
        self._component("scheduler", (_script("airflow"), "scheduler", "--skip-serve-logs"))
        self._component("dag-processor", (_script("airflow"), "dag-processor"))
        self._component("triggerer", (_script("airflow"), "triggerer", "--skip-serve-logs"))
        self._wait("scheduler", lambda: _is_healthy(self.stack.airflow_url))
        if has_own_mlflow(self._settings):
            self._wait("mlflow", lambda: _answers(f"{self.stack.mlflow_url}/health"))
        return addresses.of(self._settings, self.stack)

    def _component(self, name: str, command: tuple[str, ...]) -> Started:
        log = self._logs / f"{name}.log"
        started = processes.start(name, command, environment=self._environment, folder=self._work, log=log)
        self.stack = self.stack.model_copy(update={"components": (*self.stack.components, started)})
        record.write(self._settings, self.stack)
        return started

    def _migrate(self) -> None:
        started = self._component("migration", (_script("airflow"), "db", "migrate"))
        if not processes.wait_until(lambda: not processes.is_alive(started), limit_s=_START_S):
            raise StackError(f"Airflow's database was not ready after {_START_S:.0f} s.\n{self._tail('migration')}")
        if processes.exit_status(started) != 0:
            raise StackError(f"Airflow's database could not be prepared.\n{self._tail('migration')}")
        self.stack = self.stack.model_copy(update={"components": tuple(one for one in self.stack.components if one != started)})

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_S
        while not is_ready():
            for started in self.stack.components:
                if not processes.is_alive(started):
                    raise StackError(f"{started.name} ended during the start.\n{self._tail(started.name)}")
            if time.monotonic() > deadline:
                raise StackError(f"{name} did not answer within {_START_S:.0f} s.\n{self._tail(name)}")
            time.sleep(0.25)

    def _tail(self, name: str) -> str:
        path = self._logs / f"{name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join([f"The end of {path}:", *(f"  {line[:300]}" for line in lines)])


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _mlflow_command(settings: Settings, ports: Ports) -> tuple[str, ...]:
    names = [f"{host}:{ports.mlflow}" for host in (LOOPBACK, "localhost")]
    return (
        *(_script("mlflow"), "server", "--host", LOOPBACK, "--port", str(ports.mlflow), "--workers", "1"),
        *("--backend-store-uri", settings.mlflow_url),
        # Tasks run on this machine: they write artifacts themselves instead of sending them through the server.
        *("--no-serve-artifacts", "--default-artifact-root", (settings.home / "mlflow" / "artifacts").as_uri()),
        *("--allowed-hosts", ",".join(names)),
        *("--cors-allowed-origins", ",".join(f"http://{name}" for name in names)),
    )


def _make_password(path: Path) -> None:
    """Once for each home; Airflow would print one of its own making into a log."""
    if not path.exists():
        record.write_private(path, json.dumps({addresses.USER: secrets.token_urlsafe(_PASSWORD_BYTES)}))


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _get(url: str) -> bytes | None:
    try:
        with _direct.open(url, timeout=_ANSWER_S) as answer:
            content: bytes = answer.read()
            return content
    except (OSError, urllib.error.URLError):
        return None


def _answers(url: str) -> bool:
    return _get(url) is not None


def _is_healthy(url: str) -> bool:
    content = _get(f"{url}/api/v2/monitor/health")
    if content is None:
        return False
    health = json.loads(content)
    return all((health.get(part) or {}).get("status") == "healthy" for part in ("scheduler", "dag_processor", "triggerer"))
