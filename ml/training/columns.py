"""From the columns of a raw frame to numbers: the steps that scikit-learn does not have.

They take what arrives (text where numbers should be, nulls, columns that are wholly empty) and never fail on a value. Saved models
name these classes, so a class here is moved or renamed only together with a way to load what was saved before.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix, hstack
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted

from ml.data.casting import label_text

MISSING = "(missing)"
"""The category of a missing value."""
_LARGEST = 1e30
"""XGBoost and scikit-learn's trees count in single precision, to 3.4e38."""
DATE_PARTS = ("year", "month", "weekday", "hour")


class Numbers(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers as float64 (rows x columns); what is no finite number becomes NaN, and none is larger than single precision holds."""

    def fit(self, frame: pd.DataFrame, target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        return self

    def transform(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        parts = [pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan) for name in frame.columns]
        numbers = np.column_stack(parts)
        numbers[~np.isfinite(numbers)] = np.nan
        return np.asarray(np.clip(numbers, -_LARGEST, _LARGEST))


class Tails(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers whose far-out values are drawn in: linear up to ten spreads beyond the quartiles, logarithmic from there.

    Without it a few wild values (a debt ratio of 300,000) make the standard deviation so large that a linear model or a network sees all
    other rows as equal. The order stays, so that trees are indifferent; columns without such values stay as they are.

    A column's spread is the distance of its quartiles; where that is 0, of its 5 % and 95 % quantiles, then of its least and greatest.
    """

    REACH = 10.0
    _RANGES = ((0.25, 0.75), (0.05, 0.95), (0.0, 1.0))

    def fit(self, numbers: npt.NDArray[np.float64], target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        self.n_features_in_ = numbers.shape[1]
        places = [self._place(column[np.isfinite(column)]) for column in numbers.T]
        self.low_, self.high_, self.spread_ = np.array(places, dtype=float).reshape(-1, 3).T
        return self

    def transform(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        within = np.clip(numbers, self.low_, self.high_)
        beyond = numbers - within
        found: npt.NDArray[np.float64] = within + np.sign(beyond) * self.spread_ * np.log1p(np.abs(beyond) / self.spread_)
        return found

    def _place(self, known: npt.NDArray[np.float64]) -> tuple[float, float, float]:
        """From where on values are far out, below and above, and the spread."""
        for low, high in self._RANGES if len(known) else ():
            least, greatest = np.quantile(known, [low, high])
            if greatest > least:
                spread = float(greatest - least)
                return float(least) - self.REACH * spread, float(greatest) + self.REACH * spread, spread
        return -np.inf, np.inf, 1.0


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
    """TF-IDF of one text column: of words and pairs of words, and of runs of 3 to 5 characters within words, side by side.

    Words say what a text is about; runs of characters see through endings, compounds and misspellings. A column without any word gives no
    columns.

    Args:
        max_words: So many words and pairs at most, the most frequent ones.
        max_runs: So many runs of characters at most.
        dense_columns: None: all columns (rows x words and runs, sparse). A number: the words only, and of them so many columns at most
            (dense), by truncated singular values (Deerwester et al., "Indexing by latent semantic analysis", 1990).
        seed: Of the randomised singular values.
    """

    def __init__(self, max_words: int = 20_000, max_runs: int = 10_000, dense_columns: int | None = None, seed: int = 0) -> None:
        self.max_words = max_words
        self.max_runs = max_runs
        self.dense_columns = dense_columns
        self.seed = seed

    def fit(self, column: pd.Series, target: object = None) -> Self:
        self.fit_transform(column, target)
        return self

    def fit_transform(self, column: pd.Series, target: object = None) -> Any:  # noqa: ARG002 - scikit-learn's signature
        texts = _texts(column, missing="")
        self.vectorizers_ = [TfidfVectorizer(ngram_range=(1, 2), max_features=self.max_words, sublinear_tf=True, strip_accents="unicode")]
        if self.dense_columns is None:
            runs = {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": self.max_runs}
            self.vectorizers_.append(TfidfVectorizer(**runs, sublinear_tf=True, strip_accents="unicode"))
        self.narrowed_ = None
        analyze = self.vectorizers_[0].build_analyzer()
        if not any(analyze(text) for text in texts):
            self.vectorizers_ = []
            return self._nothing(len(texts))
        found = hstack([one.fit_transform(texts) for one in self.vectorizers_], format="csr")
        if self.dense_columns is None:
            return found
        if found.shape[1] <= self.dense_columns:
            return found.toarray()
        self.narrowed_ = TruncatedSVD(self.dense_columns, random_state=self.seed)
        return self.narrowed_.fit_transform(found)

    def transform(self, column: pd.Series) -> Any:
        check_is_fitted(self)
        if not self.vectorizers_:
            return self._nothing(len(column))
        texts = _texts(column, missing="")
        found = hstack([one.transform(texts) for one in self.vectorizers_], format="csr")
        if self.dense_columns is None:
            return found
        return found.toarray() if self.narrowed_ is None else self.narrowed_.transform(found)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[Any]:  # noqa: ARG002 - scikit-learn's signature
        """The words and pairs, then the runs as `run:<characters>`; `part <number>` where they were narrowed."""
        if self.vectorizers_ and self.narrowed_ is not None:
            return np.array([f"part {number}" for number in range(self.dense_columns or 0)], dtype=object)
        names = [
            [f"{prefix}{name}" for name in one.get_feature_names_out()]
            for prefix, one in zip(("", "run:"), self.vectorizers_, strict=False)
        ]
        return np.array([name for part in names for name in part], dtype=object)

    def _nothing(self, rows: int) -> Any:
        return csr_matrix((rows, 0), dtype=float) if self.dense_columns is None else np.empty((rows, 0))


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
