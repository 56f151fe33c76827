"""A world that takes seconds to make is made once in a process, and each test finds it as it was made.

It always stands at the same place, since registries remember paths; what a test changed is thrown away before the next one.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.data import delta
from ml.settings import Settings
from ml.state import State
from ml.training import dataset


class KeptWorlds:
    """Worlds below one folder, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def world(self, name: str, make: Callable[[Settings], object], monkeypatch: pytest.MonkeyPatch) -> Settings:
        """The world as `make` left it: an own project and an own home, which the environment names until the test ends."""
        now, kept = self._folder / name / "now", self._folder / name / "kept"
        monkeypatch.setenv("PERENNIAL_PROJECT", str(now / "project"))
        monkeypatch.setenv("PERENNIAL_HOME", str(now / "home"))
        if now.exists():  # also what a making that failed has left
            self._forget(now)
            shutil.rmtree(now)
        if kept.exists():
            shutil.copytree(kept, now)
            return Settings.from_env()
        for folder in ("dags", "expectations"):
            (now / "project" / folder).mkdir(parents=True)
        settings = Settings.from_env()
        make(settings)
        self._forget(now)
        shutil.copytree(now, kept)
        return settings

    @staticmethod
    def _forget(now: Path) -> None:
        """Ends what this process holds open of the world: databases, rows that were read, logs."""
        from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

        dataset.forget()
        delta._COMMITS.clear()
        State.open(Settings.from_env()).engine.dispose()
        for url, engine in [*Tracking._engine_map.items(), *Registry._engine_map.items()]:
            if str(now) in url:
                engine.dispose()
