"""Declarations that the tests of this folder and of the jobs use."""

import multiprocessing
from pathlib import Path
from typing import Any

import yaml

from ml.settings import Settings
from ml.spec import ModelSpec

LOANS: dict[str, Any] = {
    "model": "loans",
    "task": "binary",
    "target": "default",
    "positive": 1,
    "time": "applied",
    "id": "loan",
    "features": {"numeric": ["income", "age"], "categorical": ["region"], "ignore": ["note"]},
    "data": {"source": {"kind": "files", "urls": ["loans/*"]}},
    "training": {"candidates": [{"name": "logistic", "class": "sklearn.linear_model.LogisticRegression"}]},
}


def spec_of(**changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(LOANS | changes)


def declare(settings: Settings, **changes: Any) -> ModelSpec:
    content = LOANS | changes
    folder = settings.dags / content["model"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return ModelSpec.model_validate(content)


def incoming(settings: Settings, name: str) -> Path:
    path = settings.incoming / "loans" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def csv_text(rows: int = 5, *, start: int = 0) -> str:
    lines = ["loan,applied,income,age,region,note,default"]
    lines += [
        f"L{i},2024-01-{1 + i % 28:02d},{1000 + i}.5,{20 + i % 50},{'north' if i % 2 else 'south'},n{i},{i % 2}"
        for i in range(start, start + rows)
    ]
    return "\n".join(lines) + "\n"


def processes() -> Any:
    """New processes that have imported the heavy libraries already, without what this one has opened."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ml.data.table", "ml.validation.checks", "great_expectations", "sqlalchemy", "pyarrow.csv"])
    return context
