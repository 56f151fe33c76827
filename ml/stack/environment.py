"""The environment and the folders of the stack's processes: nothing is written outside the home, nothing leaves the machine."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import ml
from ml import private
from ml.settings import Settings
from ml.stack.addresses import USER, password_file
from ml.stack.ports import LOOPBACK, Ports
from ml.stack.processes import TOKEN

# What tasks import anyway: the worker processes inherit it instead of importing it each time, some 5 s a task.
# Not optuna (cheap) and not deltalake (it has threads of its own, which a fork does not copy).
# skops comes before Airflow: it looks into every module that is there, and Airflow's warn of it, into each task's log.
_PRELOAD = (
    "skops.io",
    "pandas",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "xgboost",
    "mlflow",
    "mlflow.sklearn",
    "great_expectations",
    "evidently",
    "evidently.presets",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.executors.local_executor",
)
_MANY_MODELS = 30
_LONGEST_SCRATCH = 70
_DROPPED = ("AIRFLOW__", "PERENNIAL_", "MLFLOW_TRACKING_", "MLFLOW_EXPERIMENT_")
_DROPPED_NAMES = {"AIRFLOW_HOME", "AIRFLOW_CONFIG", "MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "PYTHONWARNINGS"}
_STORES = ("STATE", "TABLES", "QUARANTINE", "REPORTS")


def airflow_url(ports: Ports) -> str:
    """Where Airflow answers."""
    return f"http://{LOOPBACK}:{ports.airflow}"


def mlflow_url(settings: Settings, ports: Ports) -> str:
    """Where MLflow answers: the team's own server where `PERENNIAL_MLFLOW_URL` names one, else that of the stack."""
    return f"http://{LOOPBACK}:{ports.mlflow}" if has_own_mlflow(settings) else settings.mlflow_url


def has_own_mlflow(settings: Settings) -> bool:
    """Whether the stack has an MLflow server: not where the settings name one already."""
    return not settings.mlflow_url.startswith(("http://", "https://"))


def make_scratch(settings: Settings) -> Path:
    """A folder for temporary files: below the home, unless its path is too long for the sockets that Python puts there."""
    inside = settings.home / "tmp" / "stack"
    if len(str(inside)) <= _LONGEST_SCRATCH:
        inside.mkdir(mode=0o700, parents=True, exist_ok=True)
        return inside
    return Path(tempfile.mkdtemp(prefix="perennial-", dir="/tmp"))  # private: mode 0700, a random name


def environment(settings: Settings, ports: Ports, *, token: str, scratch: Path) -> dict[str, str]:
    """The whole environment of each process of the stack. Of this process's own, Airflow's configuration is left out."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(_DROPPED) and name not in _DROPPED_NAMES}
    return {
        **inherited,
        **private.ENVIRONMENT,
        **_perennial(settings, ports, token),
        **_folders(settings, scratch),
        **_airflow(settings, ports),
        # A proxy of the network does not know this machine's loopback.
        **{name: _with_loopback(inherited, name) for name in ("no_proxy", "NO_PROXY")},
        # Airflow's processes rename themselves; by default that wipes the environment by which one finds them.
        "SPT_NOENV": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _perennial(settings: Settings, ports: Ports, token: str) -> dict[str, str]:
    stores = {f"PERENNIAL_{name}_URL": os.environ[f"PERENNIAL_{name}_URL"] for name in _STORES if os.environ.get(f"PERENNIAL_{name}_URL")}
    return {
        **stores,
        TOKEN: token,
        "PERENNIAL_HOME": str(settings.home),
        "PERENNIAL_PROJECT": str(settings.project),
        "PERENNIAL_AIRFLOW_URL": airflow_url(ports),
        "PERENNIAL_MLFLOW_URL": mlflow_url(settings, ports),
        "PERENNIAL_MLFLOW_PUBLIC_URL": os.environ.get("PERENNIAL_MLFLOW_PUBLIC_URL") or mlflow_url(settings, ports),
    }


def _folders(settings: Settings, scratch: Path) -> dict[str, str]:
    cache = settings.home / "cache"
    return {
        "TMPDIR": str(scratch),
        "XDG_CACHE_HOME": str(cache),
        "XDG_CONFIG_HOME": str(cache / "config"),
        "XDG_DATA_HOME": str(cache / "data"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
    }


def _airflow(settings: Settings, ports: Ports) -> dict[str, str]:
    home = settings.home / "airflow"
    options: Mapping[str, object] = {
        "CORE__DAGS_FOLDER": settings.dags,
        "CORE__PLUGINS_FOLDER": _plugins(settings),
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": max(2, min(8, os.cpu_count() or 1)) + 1,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": password_file(settings),
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "API__HOST": LOOPBACK,
        "API__PORT": ports.airflow,
        "API__BASE_URL": airflow_url(ports),
        "API__INSTANCE_NAME": "Perennial",
        "DAG_PROCESSOR__REFRESH_INTERVAL": 10,
        "DAG_PROCESSOR__PARSING_PROCESSES": 1,
        # Parsing 200 models takes 40 s of a core: with many, each is read every five minutes.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 30 if _models(settings) <= _MANY_MODELS else 300,
        "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": home / "bundles",
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 20,
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": 60,
        "SCHEDULER__MP_START_METHOD": "forkserver",
        "SCHEDULER__MP_FORKSERVER_PRELOAD": ",".join(_PRELOAD),
        # A task that ends just after its supervisor has looked is only noticed so much later (default: 5 s).
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
        "LOGGING__COLORED_CONSOLE_LOG": False,
    }
    return {"AIRFLOW_HOME": str(home), **{f"AIRFLOW__{name}": str(value) for name, value in options.items()}}


def _plugins(settings: Settings) -> Path:
    own = settings.project / "plugins"
    return own if (own / "perennial_plugin.py").is_file() else Path(ml.__file__).parents[1] / "plugins"


def _models(settings: Settings) -> int:
    return len(list(settings.dags.glob("*/model.yaml")))


def _with_loopback(inherited: Mapping[str, str], name: str) -> str:
    return ",".join(filter(None, (inherited.get(name), LOOPBACK, "localhost")))
