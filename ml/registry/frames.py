"""Small tables that are kept beside an MLflow run, as parquet files."""

import tempfile
from pathlib import Path, PurePosixPath

import pandas as pd

from ml.registry.client import tracking
from ml.settings import Settings


def save(settings: Settings, model: str, frame: pd.DataFrame, *, mlflow_run: str, name: str) -> None:
    """Logs a table as `<name>.parquet` of the run; what was saved there before is replaced."""
    with tracking(settings, model) as opened, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.parquet"
        frame.to_parquet(path, index=False)
        opened.client.log_artifact(mlflow_run, str(path))


def load(settings: Settings, model: str, *, mlflow_run: str, name: str) -> pd.DataFrame | None:
    """The table that `save` logged; None where the run has none."""
    with tracking(settings, model) as opened, tempfile.TemporaryDirectory() as folder:
        file = f"{name}.parquet"
        if file not in {PurePosixPath(one.path).name for one in opened.client.list_artifacts(mlflow_run)}:
            return None
        return pd.read_parquet(opened.client.download_artifacts(mlflow_run, file, folder))
