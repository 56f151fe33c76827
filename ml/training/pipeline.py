"""One scikit-learn pipeline from the raw frame to the prediction."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from ml.spec import ModelSpec
from ml.training.columns import Dates, Labels, Numbers, Words

MAX_CATEGORIES = 50
"""The most frequent categories of a column that get a column of their own; all others, and unseen ones, share one."""
MAX_WORDS, MAX_WORDS_DENSE = 20_000, 500
"""The words of a text column that are counted: for a model that takes sparse input, and for one that does not."""


def _has_probabilities(self: "TextClassifier") -> bool:
    return hasattr(self.estimator, "predict_proba")


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of text labels made from any classifier: inside, labels are 0..k-1, as XGBoost demands."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, matrix: Any, labels: Any) -> Self:
        self.classes_, codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
        self.estimator_ = clone(self.estimator).fit(matrix, codes)
        return self

    def predict(self, matrix: Any) -> npt.NDArray[Any]:
        """The label of each row, as text."""
        codes = np.asarray(self.estimator_.predict(matrix)).ravel().astype(int)
        found: npt.NDArray[Any] = self.classes_[codes].astype(object)
        return found

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, matrix: Any) -> npt.NDArray[np.float64]:
        """Rows x classes, in the order of `classes_`."""
        return np.asarray(self.estimator_.predict_proba(matrix), dtype=float)


def columns_step(spec: ModelSpec, estimator: Any) -> ColumnTransformer:
    """What turns the raw frame into the matrix that this estimator takes: dense where it does not take sparse ones."""
    takes_sparse = _takes_sparse(estimator)
    features = spec.features
    steps: list[tuple[str, Any, Any]] = []
    if features.numeric:
        steps.append(("numeric", Pipeline([("read", Numbers()), *_filled_and_scaled(indicate=True)]), list(features.numeric)))
    if features.categorical:
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=True, dtype=np.float64)
        steps.append(("categorical", Pipeline([("read", Labels()), ("encode", encoder)]), list(features.categorical)))
    if features.datetime:
        steps.append(("datetime", Pipeline([("read", Dates()), *_filled_and_scaled(indicate=False)]), list(features.datetime)))
    words = MAX_WORDS if takes_sparse else MAX_WORDS_DENSE
    steps += [(f"text_{index}", Words(max_features=words), column) for index, column in enumerate(features.text)]
    return ColumnTransformer(steps, remainder="drop", sparse_threshold=0.3 if takes_sparse else 0.0, verbose_feature_names_out=True)


def model_step(spec: ModelSpec, estimator: Any) -> Any:
    """The estimator as the last step: for classes it learns and gives text labels."""
    return estimator if spec.task == "regression" else TextClassifier(estimator)


def assemble(columns: ColumnTransformer, model: Any) -> Pipeline:
    """The pipeline of both steps, fitted if they are."""
    return Pipeline([("columns", columns), ("model", model)])


def _filled_and_scaled(*, indicate: bool) -> list[tuple[str, Any]]:
    fill = SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=indicate)
    return [("fill", fill), ("scale", StandardScaler())]


def _takes_sparse(estimator: Any) -> bool:
    try:
        return bool(get_tags(estimator).input_tags.sparse)
    except (AttributeError, TypeError, ValueError):  # not a scikit-learn class: dense always works
        return False
