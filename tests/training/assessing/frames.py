"""Declared models and rows for assessments, without a project around them."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from ml.spec import ModelSpec
from ml.training.evaluation import Predicted
from ml.training.pipeline import assemble, columns_step, model_step
from tests.training.worlds import spec_of, visits

COLUMNS = {"numeric": ["age", "spent"], "categorical": ["city"], "ignore": ["mood"]}


def shop(**changes: Any) -> ModelSpec:
    """The shop's declaration, with `mood` delivered; few resamples unless asked."""
    evaluation = {"resamples": 200, **changes.pop("evaluation", {})}
    return spec_of(**{"features": COLUMNS, "evaluation": evaluation, **changes})


def parts(rows: int = 600) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Development and test rows of the shop."""
    return visits(rows, seed=1), visits(rows, seed=2)


def fitted(spec: ModelSpec, rows: pd.DataFrame) -> Pipeline:
    """A small model of the declared task."""
    estimator = Ridge() if spec.task == "regression" else LogisticRegression(max_iter=500)
    pipeline = assemble(columns_step(spec, estimator), model_step(spec, estimator))
    return pipeline.fit(rows[list(spec.features.used)], rows[spec.target])


def chances(truth: Any, probability: Any) -> tuple[pd.DataFrame, Predicted]:
    """Rows of a binary model whose probabilities are given; it says yes from a half on."""
    probability = np.asarray(probability, dtype=float)
    frame = pd.DataFrame({"bought": np.where(truth, "yes", "no")})
    said = np.where(probability > 0.5, "yes", "no").astype(object)
    return frame, Predicted(said, pd.DataFrame({"no": 1 - probability, "yes": probability}))
