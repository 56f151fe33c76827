"""One scikit-learn pipeline from the raw frame to the prediction."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from ml.spec import ModelSpec
from ml.training.columns import Dates, Labels, Numbers, Tails, Words

MAX_CATEGORIES = 50
"""The most frequent categories of a column that get a column of their own; all others, and unseen ones, share one."""
DENSE_TEXT_COLUMNS = 100
"""The columns that a text becomes for a model that does not learn well from many sparse ones."""
_WIDE = ("sklearn.linear_model.", "sklearn.svm.", "sklearn.naive_bayes.")


def _has_probabilities(self: "TextClassifier") -> bool:
    return hasattr(self.estimator, "predict_proba") or hasattr(self.estimator, "decision_function")


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of text labels made from any classifier: inside, labels are 0..k-1, as XGBoost demands.

    Inside an ensemble it is given whole numbers, and gives whole numbers: as text, "10" would stand before "2".

    Args:
        estimator: The classifier.
        balance: Every class weighs the same, if the classifier's `fit` takes `sample_weight`.
    """

    def __init__(self, estimator: Any, balance: bool = False) -> None:
        self.estimator = estimator
        self.balance = balance

    def fit(self, matrix: Any, labels: Any) -> Self:
        given = np.asarray(labels)
        self.classes_, codes = np.unique(given if given.dtype.kind in "iu" else given.astype(str), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"all {len(codes)} rows are of one class, {str(self.classes_[0])[:80]!r}")
        weights: dict[str, Any] = {}
        if self.balance and has_fit_parameter(self.estimator, "sample_weight"):
            weights["sample_weight"] = compute_sample_weight("balanced", codes)
        self.estimator_ = clone(self.estimator).fit(matrix, codes, **weights)
        return self

    def predict(self, matrix: Any) -> npt.NDArray[Any]:
        """The label of each row."""
        codes = np.asarray(self.estimator_.predict(matrix)).ravel().astype(int)
        found: npt.NDArray[Any] = self.classes_[codes]
        return found if found.dtype.kind in "iu" else found.astype(object)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, matrix: Any) -> npt.NDArray[np.float64]:
        """Rows x classes, in the order of `classes_`.

        Of a classifier that gives scores only (a linear support vector machine) the logistic function or softmax of these, as
        scikit-learn's temperature scaling takes them: the right order, but no probabilities before they are calibrated.
        """
        if hasattr(self.estimator_, "predict_proba"):
            return np.asarray(self.estimator_.predict_proba(matrix), dtype=float)
        scores = np.asarray(self.estimator_.decision_function(matrix), dtype=float)
        return np.column_stack([expit(-scores), expit(scores)]) if scores.ndim == 1 else np.asarray(softmax(scores, axis=1))


def columns_step(spec: ModelSpec, estimator: Any) -> ColumnTransformer:
    """What turns the raw frame into the matrix that this estimator takes: dense where it does not take sparse ones.

    Text becomes tens of thousands of sparse columns for linear models and naive Bayes, which learn well from them, and a few dense ones
    for all others: trees and networks are slow and no better on many rare columns.
    """
    takes_sparse = _takes_sparse(estimator)
    features = spec.features
    steps: list[tuple[str, Any, Any]] = []
    if features.numeric:
        steps.append(
            ("numeric", Pipeline([("read", Numbers()), ("draw_in", Tails()), *_filled_and_scaled(indicate=True)]), list(features.numeric))
        )
    if features.categorical:
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=True, dtype=np.float64)
        steps.append(("categorical", Pipeline([("read", Labels()), ("encode", encoder)]), list(features.categorical)))
    if features.datetime:
        steps.append(("datetime", Pipeline([("read", Dates()), *_filled_and_scaled(indicate=False)]), list(features.datetime)))
    is_wide = takes_sparse and f"{type(estimator).__module__}.".startswith(_WIDE)
    words = Words() if is_wide else Words(dense_columns=DENSE_TEXT_COLUMNS, seed=spec.training.seed)
    steps += [(f"text_{index}", clone(words), column) for index, column in enumerate(features.text)]
    return ColumnTransformer(steps, remainder="drop", sparse_threshold=0.3 if takes_sparse else 0.0, verbose_feature_names_out=True)


def model_step(spec: ModelSpec, estimator: Any) -> Any:
    """The estimator as the last step: for classes it learns and gives text labels."""
    return estimator if spec.task == "regression" else TextClassifier(estimator, balance=spec.training.balance)


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
