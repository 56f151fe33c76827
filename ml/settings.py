"""Where things are: one URL for each store, read from `PERENNIAL_*` variables."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr


class Settings(BaseModel):
    """The places that an installation uses. Paths are absolute.

    `home` holds everything that is written, unless a store has a URL of its own. `project` holds what is declared: `dags/` and
    `expectations/`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    project: Path
    state_url: SecretStr
    mlflow_url: str
    tables_url: str
    quarantine_url: str
    reports_url: str
    alerts: str = ""

    @classmethod
    def from_env(cls) -> Self:
        """Reads `PERENNIAL_HOME` (default `./var`), `PERENNIAL_PROJECT` (default: the nearest folder upwards that has `dags/`),
        and `PERENNIAL_STATE_URL`, `PERENNIAL_MLFLOW_URL`, `PERENNIAL_TABLES_URL`, `PERENNIAL_QUARANTINE_URL`,
        `PERENNIAL_REPORTS_URL` (default: below the home).

        `PERENNIAL_ALERTS` says who is told of models that say nothing themselves (`ml.jobs.alerting`).
        """
        project = Path(os.environ.get("PERENNIAL_PROJECT") or _nearest_project(Path.cwd())).resolve()
        home = Path(os.environ.get("PERENNIAL_HOME") or project / "var").resolve()

        def url(name: str, default: str) -> str:
            return os.environ.get(f"PERENNIAL_{name}_URL") or default

        return cls(
            home=home,
            project=project,
            state_url=SecretStr(url("STATE", f"sqlite:///{home / 'state.db'}")),
            mlflow_url=url("MLFLOW", f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"),
            tables_url=url("TABLES", str(home / "tables")),
            quarantine_url=url("QUARANTINE", str(home / "quarantine")),
            reports_url=url("REPORTS", str(home / "reports")),
            alerts=os.environ.get("PERENNIAL_ALERTS", ""),
        )

    @property
    def dags(self) -> Path:
        """The folder of the models: one sub-folder with a `model.yaml` each."""
        return self.project / "dags"

    @property
    def expectations(self) -> Path:
        """The folder of the expectation suites: `<model>.json`."""
        return self.project / "expectations"

    @property
    def incoming(self) -> Path:
        """What relative data URLs in a `model.yaml` are relative to, but those that begin with `./`."""
        return self.home / "incoming"


def _nearest_project(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / "dags").is_dir():
            return folder
    return start
