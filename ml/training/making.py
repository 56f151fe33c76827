"""From the chosen candidate to the two models that it gives: the one that is tested, and its twin that is fitted on all rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml.spec import ModelSpec
from ml.training import finishing, fitting
from ml.training.evaluation import Predicted
from ml.training.finishing import Finishing
from ml.training.folds import folds


@dataclass(frozen=True, slots=True)
class Made:
    """A model fitted on development rows, and what was put on it: calibration and threshold, chosen on rows that it did not see."""

    model: Any
    finish: Finishing


def tested(spec: ModelSpec, name: str, params: Mapping[str, Any], development: pd.DataFrame) -> Made:
    """The candidate or ensemble `name` fitted on the development rows; calibration and threshold come from its out-of-fold predictions.

    Raises:
        CandidateError: It cannot be fitted.
        NoData: The rows cannot be divided into folds.
    """
    finish = Finishing()
    if spec.task != "regression":
        said = fitting.out_of_fold(spec, name, params, development, folds(development, spec))
        finish = finishing.finish(spec, development[spec.target].iloc[said.positions], said.predicted)
    return Made(refitted(spec, name, params, development, finish), finish)


def refitted(spec: ModelSpec, name: str, params: Mapping[str, Any], rows: pd.DataFrame, finish: Finishing) -> Any:
    """The same recipe fitted on other rows, with the same calibration and threshold."""
    return finishing.finished(fitting.fit(spec, name, params, rows), spec, finish)


def agreement(first: Predicted, second: Predicted, *, task: str) -> float:
    """How far two models say the same of the same rows, 0-1.

    For classes the share of rows with the same label; for numbers 1 minus the mean squared difference over the variance of the first
    model's predictions, at least 0. 1 where there are no rows.
    """
    if len(first.values) == 0:
        return 1.0
    if task != "regression":
        return float(np.mean(np.asarray(first.values, dtype=str) == np.asarray(second.values, dtype=str)))
    before, now = np.asarray(first.values, dtype=float), np.asarray(second.values, dtype=float)
    apart, spread = float(np.square(before - now).mean()), float(before.var())
    if spread == 0:
        return 1.0 if apart == 0 else 0.0
    return max(0.0, 1 - apart / spread)
