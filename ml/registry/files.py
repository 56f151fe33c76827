"""Files that are kept beside an MLflow run."""

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ml.registry.client import tracking
from ml.settings import Settings


def save(settings: Settings, model: str, *, mlflow_run: str, files: Mapping[str, bytes]) -> None:
    """Logs files under their names, such as `plots/roc.png`; what was saved there before is replaced."""
    with tracking(settings, model) as opened, tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        opened.client.log_artifacts(mlflow_run, folder)


def load(settings: Settings, model: str, *, mlflow_run: str, name: str) -> bytes | None:
    """The content of a file; None where the run has none of this name."""
    with tracking(settings, model) as opened, tempfile.TemporaryDirectory() as folder:
        parent = str(PurePosixPath(name).parent)
        there = opened.client.list_artifacts(mlflow_run, None if parent == "." else parent)
        if name not in {one.path for one in there}:
            return None
        return Path(opened.client.download_artifacts(mlflow_run, name, folder)).read_bytes()


def names(settings: Settings, model: str, *, mlflow_run: str, folder: str) -> list[str]:
    """The names of the files in a folder of the run, with the folder's; empty where it has none."""
    with tracking(settings, model) as opened:
        return sorted(one.path for one in opened.client.list_artifacts(mlflow_run, folder) if not one.is_dir)
