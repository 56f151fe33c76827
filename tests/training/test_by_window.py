"""A metric of many windows at once is what `measure` says of each."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.spec import METRICS, ModelSpec
from ml.training import by_window
from ml.training.evaluation import Predicted, measure

ROWS, WINDOWS = 600, 8


def declared(task: str) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model": "m",
            "task": task,
            "target": "y",
            "positive": "b" if task == "binary" else None,
            "features": {"numeric": ["x"]},
            "data": {"source": {"kind": "files", "urls": ["m/*.csv"]}},
            "training": {"candidates": [{"name": "one", "class": "sklearn.linear_model.LogisticRegression"}]},
        }
    )


def world(task: str) -> tuple[Any, Predicted, Any]:
    """Labels, predictions with ties, and windows of which one has a single class, one no row, and one row is left out."""
    rng = np.random.default_rng(3)
    windows = rng.integers(0, WINDOWS - 1, ROWS)
    windows[0] = -1
    if task == "regression":
        labels = np.where(windows == 2, 1.0, rng.normal(size=ROWS))
        return labels, Predicted(labels + rng.normal(size=ROWS), None), windows
    names = ["a", "b"] if task == "binary" else ["a", "b", "c"]
    labels = np.where(windows == 2, "a", rng.choice(names, ROWS)).astype(object)
    chances = np.round(rng.dirichlet(np.ones(len(names)), ROWS), 2)
    said = np.asarray(names, dtype=object)[chances.argmax(axis=1)]
    return labels, Predicted(said, pd.DataFrame(chances, columns=names)), windows


@pytest.mark.parametrize(("task", "metric"), [(task, metric) for task, metrics in METRICS.items() for metric in metrics])
def test_a_metric_of_many_windows_is_that_of_each(task: str, metric: str) -> None:
    spec, (labels, said, windows) = declared(task), world(task)
    found = by_window.values(metric, by_window.Said.of(spec, labels, said), windows=windows, count=WINDOWS)
    for window in range(WINDOWS):
        mask = windows == window
        probabilities = None if said.probabilities is None else said.probabilities[mask]
        positive = "b" if task == "binary" else None
        told = measure(task, labels=labels[mask], predictions=said.values[mask], probabilities=probabilities, positive=positive)  # type: ignore[arg-type]
        assert found[window] == pytest.approx(told.get(metric, np.nan), abs=1e-12, nan_ok=True), window


def test_a_model_that_never_met_the_positive_class_gives_it_no_chance() -> None:
    spec = declared("binary")
    labels = np.array(["a", "b", "b"], dtype=object)
    said = Predicted(np.array(["a"] * 3, dtype=object), pd.DataFrame({"a": [1.0] * 3}))
    windows = np.zeros(3, dtype=np.int64)
    for metric in METRICS["binary"]:
        found = by_window.values(metric, by_window.Said.of(spec, labels, said), windows=windows, count=1)
        told = measure("binary", labels=labels, predictions=said.values, probabilities=said.probabilities, positive="b")
        assert found[0] == pytest.approx(told[metric])
