"""Small made-up worlds: a declared model with accepted rows, in a project of its own."""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ml import specfile
from ml.data.table import AcceptedTable
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, batches
from ml.state.records import Batch

NOW = datetime(2026, 1, 1, tzinfo=UTC)

LOGISTIC = {"name": "logistic", "class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 500}}
TREE = {"name": "tree", "class": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 3}}
RIDGE = {"name": "ridge", "class": "sklearn.linear_model.Ridge", "params": {}}
XGBOOST = {
    "name": "xgboost",
    "class": "xgboost.XGBClassifier",
    "params": {"n_estimators": 10},
    "search": {"max_depth": {"kind": "int", "low": 1, "high": 3}},
}


def declared(**changes: Any) -> dict[str, Any]:
    """The content of a `model.yaml`; `training` and `promotion` are merged, other keys replaced."""
    content: dict[str, Any] = {
        "model": "shop",
        "task": "binary",
        "target": "bought",
        "positive": "yes",
        "id": "visit",
        "features": {"numeric": ["age", "spent"], "categorical": ["city"]},
        "data": {"source": {"kind": "files", "urls": ["shop/*.csv"]}},
        "training": {"candidates": [LOGISTIC], "trials": 2},
        "evaluation": {"resamples": 100},
        "promotion": {},
    }
    for key, value in changes.items():
        content[key] = {**content[key], **value} if key in {"training", "promotion", "evaluation"} else value
    return content


def spec_of(**changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(declared(**changes))


def declare(settings: Settings, **changes: Any) -> ModelSpec:
    """Writes `dags/shop/model.yaml` and gives it back."""
    path = settings.dags / "shop" / "model.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(declared(**changes)))
    return specfile.load(settings, "shop")


def visits(rows: int, *, seed: int = 0, flipped: bool = False, start: int = 0) -> pd.DataFrame:
    """Visits of a shop; who spends more buys, or the other way round when `flipped`."""
    rng = np.random.default_rng(seed)
    age, spent = rng.normal(40, 10, rows), rng.normal(0, 1, rows)
    age[rng.random(rows) < 0.1] = np.nan
    score = 2 * spent * (-1 if flipped else 1) + rng.normal(0, 0.7, rows)
    return pd.DataFrame(
        {
            "visit": [f"{seed}-{number}" for number in range(rows)],
            "age": age,
            "spent": spent,
            "city": rng.choice(["Rome", "Oslo", "Bern", None], rows),
            "bought": np.where(score > 0, "yes", "no"),
            "at": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(start + np.arange(rows), unit="h"),
            "paid": score * 10 + 100,
            "mood": np.select([score < -1, score < 1], ["bad", "fair"], "good"),
        }
    )


def accept(settings: Settings, spec: ModelSpec, frame: pd.DataFrame, *, batch: str) -> int:
    """Accepts the rows as one batch; returns the dataset version."""
    version = AcceptedTable.of(settings, spec.model, spec).append(frame, spec=spec, batch=batch, arrived_at=NOW)
    facts: Mapping[str, Any] = {"source": "test", "status": "accepted", "failing_rows": 0, "reasons": []}
    batches.save(
        State.open(settings),
        Batch(id=batch, model=spec.model, rows=len(frame), arrived_at=NOW, decided_at=NOW, dataset_version=version, **facts),
    )
    return version


def with_mlflow(settings: Settings) -> Settings:
    """Puts an empty MLflow database into the home: making one takes seconds, so it is made once for all tests."""
    path = settings.home / "mlflow" / "mlflow.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_empty_database())
    return settings


@lru_cache(maxsize=1)
def _empty_database() -> bytes:
    import logging

    from ml.registry.client import reaching

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        settings = Settings.from_env().model_copy(update={"mlflow_url": f"sqlite:///{path}"})
        with reaching(settings) as client:
            client.search_experiments()
        return path.read_bytes()
