"""From the columns of a raw frame to numbers: the steps that scikit-learn does not have.

They take what arrives (text where numbers should be, nulls, columns that are wholly empty) and never fail on a value. Saved models
name these classes, so a class here is moved or renamed only together with a way to load what was saved before.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted

from ml.data.casting import label_text

MISSING = "(missing)"
"""The category of a missing value."""
DATE_PARTS = ("year", "month", "weekday", "hour")


class Numbers(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers as float64 (rows x columns); what is no finite number becomes NaN."""

    def fit(self, frame: pd.DataFrame, target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        return self

    def transform(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        parts = [pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan) for name in frame.columns]
        numbers = np.column_stack(parts)
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers


class Labels(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Categories as text (rows x columns), a missing value as a category of its own."""

    def fit(self, frame: pd.DataFrame, target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        return self

    def transform(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        check_is_fitted(self)
        return np.column_stack([_texts(frame[name], missing=MISSING) for name in frame.columns])


class Words(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF of the words of one text column (rows x words, sparse); a column without any word gives no columns."""

    def __init__(self, max_features: int = 20_000) -> None:
        self.max_features = max_features

    def fit(self, column: pd.Series, target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        texts = _texts(column, missing="")
        vectorizer = TfidfVectorizer(max_features=self.max_features, sublinear_tf=True, strip_accents="unicode")
        analyze = vectorizer.build_analyzer()
        self.vectorizer_ = vectorizer.fit(texts) if any(analyze(text) for text in texts) else None
        return self

    def transform(self, column: pd.Series) -> csr_matrix:
        check_is_fitted(self)
        if self.vectorizer_ is None:
            return csr_matrix((len(column), 0), dtype=float)
        return self.vectorizer_.transform(_texts(column, missing=""))

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[Any]:  # noqa: ARG002 - scikit-learn's signature
        """The words."""
        return np.array([], dtype=object) if self.vectorizer_ is None else self.vectorizer_.get_feature_names_out()


class Dates(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Dates and times taken apart (rows x 4 parts a column): year, month 1-12, weekday 0 = Monday, hour 0-23 in UTC; NaN when missing."""

    def fit(self, frame: pd.DataFrame, target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        return self

    def transform(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        parts: list[npt.NDArray[np.float64]] = []
        for name in frame.columns:
            moments = pd.to_datetime(frame[name], errors="coerce", utc=True)
            parts += [getattr(moments.dt, part).to_numpy(dtype=float, na_value=np.nan) for part in DATE_PARTS]
        return np.column_stack(parts)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[Any]:  # noqa: ARG002 - scikit-learn's signature
        """`<column>_<part>`."""
        return np.array([f"{name}_{part}" for name in self.feature_names_in_ for part in DATE_PARTS], dtype=object)


def _texts(column: pd.Series, *, missing: str) -> npt.NDArray[Any]:
    """Each value as its canonical text; each different value is converted once."""
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    known = np.array([*(label_text(value) for value in uniques), missing], dtype=object)
    return known[codes]
