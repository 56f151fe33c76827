"""Reaching MLflow: one client for one URL, quiet, with its errors in our words."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ml import private
from ml.errors import StoreUnavailable
from ml.settings import Settings

_DEFAULTS = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True, slots=True)
class Tracking:
    """An open client, and the experiment of one model."""

    client: Any
    experiment: str


@contextmanager
def reaching(settings: Settings) -> Iterator[Any]:
    """The client of the settings' MLflow; what goes wrong in the block becomes `StoreUnavailable`.

    MLflow's own warnings are about MLflow's insides (SQLAlchemy, type hints) and are not shown.
    """
    from sqlalchemy.exc import SQLAlchemyError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException

        try:
            yield _client(settings)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            text = str(error).strip().split("\n")[0][:300]
            raise StoreUnavailable(
                f"MLflow at {_shown(settings.mlflow_url)} failed: {text}. Check that it runs and may be written."
            ) from error


@contextmanager
def tracking(settings: Settings, model: str) -> Iterator[Tracking]:
    """The client and the model's experiment, which is made where it does not exist."""
    with reaching(settings) as client:
        yield Tracking(client, _experiment(client, settings, model))


def error_code(error: Exception) -> str:
    """MLflow's own code of an error, such as RESOURCE_DOES_NOT_EXIST."""
    return str(getattr(error, "error_code", ""))


def is_local(settings: Settings) -> bool:
    """Whether MLflow is on this machine, so that it and we see the same folders."""
    parsed = urlsplit(settings.mlflow_url)
    return not parsed.scheme.startswith("http") or parsed.hostname in {"127.0.0.1", "localhost", "::1"}


def _client(settings: Settings) -> Any:
    private.set_environment()
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    url = settings.mlflow_url
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    # Registering a logged model asks the process's default client, whatever client one calls.
    if mlflow.get_tracking_uri() != url:
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
    return mlflow.MlflowClient(tracking_uri=url, registry_uri=url)


def _experiment(client: Any, settings: Settings, model: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(model)
    if found is None:
        # A path, not a URL of a server: a client of the database and a client of the server then reach the same files.
        place = str(settings.home / "mlflow" / "artifacts" / model) if is_local(settings) else None
        try:
            return str(client.create_experiment(model, artifact_location=place))
        except MlflowException as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(model)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _shown(url: str) -> str:
    parsed = urlsplit(url)
    return url.replace(f"{parsed.username}:{parsed.password}@", "***@") if parsed.password else url
