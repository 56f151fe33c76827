"""The real stack: one start, the pages, and an end in the middle of a task."""

import os
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import psutil
import pytest
import yaml

from ml import stack
from ml.errors import StackError
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.stack import Addresses, Ports, processes, record
from ml.state import State, ledger
from tests.state import made

DECLARED = """
model: loans
task: binary
target: paid
positive: "yes"
features: { numeric: [income] }
data: { source: { kind: files, urls: [loans/*.csv] }, schedule: null }
training: { schedule: null, candidates: [{ name: logistic, class: sklearn.linear_model.LogisticRegression }] }
monitoring: { schedule: null }
"""
DAG_FILE = '''"""The Airflow DAGs of loans."""
from perennial_airflow.builder import build
build(__file__)
'''
SLOW = '''"""An Airflow DAG whose task has children in its group, and in a session of their own, and does not end."""
import subprocess, sys, time
from airflow.sdk import DAG, task
with DAG("slow", schedule=None, is_paused_upon_creation=False):
    @task
    def wait():
        sleep = [sys.executable, "-c", "import time; time.sleep(900)"]
        subprocess.Popen(sleep); subprocess.Popen(sleep, start_new_session=True)
        time.sleep(900)
    wait()
'''
HOSTILE = "<html><head></head><body><script>document.title='x'</script>a report</body></html>"


@dataclass(frozen=True)
class Running:
    settings: Settings
    addresses: Addresses
    ports: Ports


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("stack")
    for name, text in {"loans/model.yaml": DECLARED, "loans/dag.py": DAG_FILE, "slow/dag.py": SLOW, "broken/dag.py": DAG_FILE}.items():
        path = root / "project" / "dags" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "project/dags/broken/model.yaml").write_text("model: broken\ntask: ternary\n", encoding="utf-8")
    (root / "project" / "expectations").mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PERENNIAL_PROJECT", str(root / "project"))
        environment.setenv("PERENNIAL_HOME", str(root / "home"))
        settings = Settings.from_env()
        ports = Ports(airflow=_free(), mlflow=_free())
        _remember_report(settings)
        try:
            yield Running(settings, stack.up(settings, ports=ports), ports)
        finally:
            stack.down(settings)


@pytest.fixture
def browser(running: Running) -> Iterator[httpx.Client]:
    """Somebody in a browser, not logged in."""
    with httpx.Client(base_url=running.addresses.airflow, headers={"Accept": "text/html"}, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def admin(running: Running) -> Iterator[httpx.Client]:
    found = running.addresses
    with httpx.Client(base_url=found.airflow, trust_env=False, timeout=60) as client:
        token = client.post("/auth/token", json={"username": found.user, "password": found.password}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_a_second_up_does_nothing_but_says_where_it_is(running: Running) -> None:
    said: list[str] = []
    before = record.read(running.settings)
    assert stack.up(running.settings, ports=Ports(airflow=1, mlflow=2), on_progress=said.append) == running.addresses
    assert said == ["the stack runs already"]
    assert record.read(running.settings) == before
    assert stack.running(running.settings) == running.addresses


def test_every_port_of_the_stack_is_on_loopback(running: Running) -> None:
    found = record.read(running.settings)
    assert found is not None
    ours = {process.pid for process in processes.processes(found)}
    listening = [one for one in psutil.net_connections("inet") if one.pid in ours and one.status == psutil.CONN_LISTEN]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
    assert {one.laddr.port for one in listening} == {running.ports.airflow, running.ports.mlflow}


def test_the_login_is_random_and_only_this_user_can_read_it(running: Running) -> None:
    path = running.addresses.password_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(running.addresses.password) >= 16
    for log in (running.settings.home / "logs").glob("*.log"):
        assert running.addresses.password not in log.read_text(encoding="utf-8", errors="replace")


def test_mlflow_answers_only_under_its_own_name(running: Running) -> None:
    url = f"{running.addresses.mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0"
    answer = httpx.get(url, trust_env=False, timeout=60)
    root = (running.settings.home / "mlflow" / "artifacts").as_uri()
    assert answer.json()["experiment"]["artifact_location"].startswith(root)
    assert httpx.get(url, headers={"Host": "evil.example"}, trust_env=False, timeout=60).status_code == 403


def test_the_models_dags_appear_and_a_broken_declaration_is_an_error_of_its_own(admin: httpx.Client) -> None:
    def dags() -> set[str]:
        return {dag["dag_id"] for dag in admin.get("/api/v2/dags", params={"limit": 100}).json()["dags"]}

    wanted = {"loans.ingest", "loans.train", "loans.monitor", "loans.score", "slow"}
    assert processes.wait_until(lambda: wanted <= dags(), limit_s=120), dags()
    assert processes.wait_until(lambda: bool(admin.get("/api/v2/importErrors").json()["import_errors"]), limit_s=60)
    (error,) = admin.get("/api/v2/importErrors").json()["import_errors"]
    assert error["filename"].endswith("broken/dag.py")
    assert "dags/broken/model.yaml:2: task: 'ternary' is not allowed. Write one of" in error["stack_trace"]


def test_a_page_needs_a_login(browser: httpx.Client) -> None:
    for path in (
        "/perennial/reports",
        "/perennial/reports/index.html",
        "/perennial/reports/loans/latest",
        "/perennial/data-docs/loans/b1.html",
    ):
        answer = browser.get(path)
        assert answer.status_code == 307
        assert answer.headers["location"].startswith("/auth/login?next=")
        assert path.rsplit("/", 1)[-1] in answer.headers["location"]
        assert browser.get(path, headers={"Accept": "application/json"}).status_code == 401
        assert browser.get(path, headers={"Authorization": "Bearer x"}).status_code in {401, 403}


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/perennial/reports/loans/loans-000001.evidently.html", "sandbox allow-scripts allow-popups"),
        ("/perennial/data-docs/loans/b1.html", "default-src 'none'; script-src 'nonce-"),
    ],
)
def test_a_page_made_from_data_runs_as_nobody_or_not_at_all(admin: httpx.Client, path: str, policy: str) -> None:
    answer = admin.get(path, follow_redirects=True)
    assert answer.status_code == 200
    assert "a report</body>" in answer.text
    assert answer.headers["content-security-policy"].startswith(policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "/perennial/reports/loans/loans-000002",
        "/perennial/reports/other/latest",
        "/perennial/reports/other/loans-000001",
        "/perennial/reports/loans/..%2F..%2Fstack.json",
        "/perennial/data-docs/loans/..%2F..%2Fstack.json",
        "/perennial/data-docs/..%2Fairflow/passwords.json",
        "/perennial/data-docs/loans/%2e%2e",
        "/perennial/data-docs/loans/out.html",
    ],
)
def test_nothing_else_is_served(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path, follow_redirects=True)
    assert answer.status_code == 404
    assert "token" not in answer.text


def test_the_list_of_reports_shows_reasons_as_text(admin: httpx.Client) -> None:
    answer = admin.get("/perennial/reports", follow_redirects=True)
    assert answer.status_code == 200
    assert "loans/loans-000001.html" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'nonce-")
    assert answer.text.count("<script") == 1, "that of the theme"


def test_down_ends_everything_in_30_seconds_also_in_the_middle_of_a_task(running: Running, admin: httpx.Client) -> None:
    assert processes.wait_until(lambda: admin.get("/api/v2/dags/slow").status_code == 200, limit_s=120)
    admin.post("/api/v2/dags/slow/dagRuns", json={"logical_date": None}).raise_for_status()
    found = record.read(running.settings)
    assert found is not None

    def sleepers() -> list[psutil.Process]:
        return [one for one in processes.processes(found) if "time.sleep(900)" in " ".join(one.cmdline())]

    assert processes.wait_until(lambda: len(sleepers()) == 2, limit_s=120)
    before = time.monotonic()
    stack.down(running.settings)
    assert time.monotonic() - before < 30
    assert processes.processes(found) == []
    assert stack.running(running.settings) is None
    assert not found.scratch.exists()
    for port in (running.ports.airflow, running.ports.mlflow):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def test_a_component_that_dies_in_the_start_is_shown_with_its_log_and_the_others_end(
    settings: Settings,
) -> None:
    broken = settings.home / "mlflow" / "mlflow.db"
    broken.parent.mkdir(parents=True)
    broken.write_text("this is no database", encoding="utf-8")
    with pytest.raises(StackError, match=r"(?s)mlflow ended during the start.*mlflow\.log:.*not a database"):
        stack.up(settings, ports=Ports(airflow=_free(), mlflow=_free()))
    assert not (settings.home / "stack.json").exists()
    ours = str(settings.home)
    assert [one.pid for one in psutil.process_iter() if one.pid != os.getpid() and ours in _environment(one)] == []


def _environment(process: psutil.Process) -> str:
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else process.environ().get("PERENNIAL_HOME", "")
    except psutil.Error:
        return ""


def _remember_report(settings: Settings) -> None:
    state, at = State.open(settings), datetime.now(UTC)
    spec = ModelSpec.model_validate(yaml.safe_load(DECLARED))
    pages = {settings.home / "reports" / "loans" / "1.html", settings.home / "data_docs" / "loans" / "b1.html"}
    for page in pages:
        page.parent.mkdir(parents=True)
        page.write_text(HOSTILE, encoding="utf-8")
    (settings.home / "data_docs" / "loans" / "out.html").symlink_to(settings.home / "stack.json")
    opened = made.opened(state, spec)
    report = str(settings.home / "reports" / "loans" / "1.html")
    ledger.save_measurement(state, opened.id, drifts=[], qualities=[], labelled_rows=0, report_url=report, mlflow_run=None, at=at)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
