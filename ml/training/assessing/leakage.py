"""Signs that the model is told the answer: warnings with a cure. None of them blocks a training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.spec import ModelSpec
from ml.training.assessing.copies import same_rows
from ml.training.assessing.facts import Importance, Suspicion
from ml.training.assessing.telltale import telltale
from ml.training.columns import Dates, Labels, Numbers
from ml.training.evaluation import gain
from ml.training.pipeline import MAX_CATEGORIES
from ml.wording import percent

SAME_SHARE = 0.99
"""A column that has the target's value in so many rows is the target."""
ALONE_SCORE = 0.98
"""A ROC AUC (regression: R2) that one honest column hardly reaches alone."""
SKILL_SHARE, TIMES_THE_NEXT = 0.4, 3.0
"""One column carries the skill if shuffling it costs such a share of it, and so many times what the next column costs.

Measured with 200 trees of XGBoost: `duration` of bank_marketing .56 to .82 and 8 times, the strongest column of telco_churn .26 and
1.1 times, of give_me_some_credit .20 and 2.2 times.
"""
DISTINCT_SHARE = 0.98
"""A label that is another one in so many rows is an id."""
_ROWS, _LEAST_ROWS, _ROWS_IN_ALL = 5_000, 1_000, 45_000
"""A column is looked at alone on so many rows; fewer where there are many columns."""
_MOST_CLASSES = 20
_FOLDS = 3
_LONGEST_WORD = 40


def look(
    spec: ModelSpec,
    *,
    development: pd.DataFrame,
    test: pd.DataFrame,
    importance: Importance | None = None,
    metrics: Mapping[str, float] | None = None,
    baseline: Mapping[str, float] | None = None,
) -> tuple[Suspicion, ...]:
    """All that looks like leakage. `metrics` are the model's on the test rows, `baseline` those of one that knows no feature."""
    found = of_columns(spec, development)
    named = {one.column for one in found}
    carrier = carries_the_skill(spec, importance, metrics or {}, baseline or {}) if importance is not None else None
    twice = same_rows(spec, development=development, test=test)
    return (*found, *([carrier] if carrier is not None and carrier.column not in named else []), *([twice] if twice is not None else []))


def of_columns(spec: ModelSpec, development: pd.DataFrame) -> tuple[Suspicion, ...]:
    """Columns that are the target, predict it alone (of a free text: a word of it), or are ids: at most one suspicion a column."""
    columns = spec.features.used
    if development.empty:
        return ()
    rows = min(len(development), max(_LEAST_ROWS, min(_ROWS, _ROWS_IN_ALL // len(columns))))
    sample = development.sample(rows, random_state=spec.training.seed).reset_index(drop=True)
    looks = (_equal, _alone, _words)
    found = [next((one for look in looks if (one := look(spec, sample, column)) is not None), None) for column in columns]
    ids = [one or _like_an_id(spec, development, column) for one, column in zip(found, columns, strict=True)]
    return tuple(one for one in ids if one is not None)


def carries_the_skill(
    spec: ModelSpec, importance: Importance, metrics: Mapping[str, float], baseline: Mapping[str, float]
) -> Suspicion | None:
    """One column without which most of the model's lead over the baseline is gone, while no other matters nearly as much."""
    if len(importance.columns) < 3 or spec.metric not in metrics or spec.metric not in baseline:
        return None
    lead = gain(spec.metric, challenger=metrics[spec.metric], champion=baseline[spec.metric])
    first, second = importance.columns[:2]
    next_one = max(second.mean, 0.0)
    # Rounded, so that 0.3 is three times 0.1 whatever floats say.
    if lead <= 0 or round(first.mean - SKILL_SHARE * lead, 9) < 0 or round(first.mean - TIMES_THE_NEXT * next_one, 9) < 0:
        return None
    sentence = (
        f"Column {first.column!r} carries {percent(first.mean / lead)} of the model's skill: shuffling it costs {first.mean:.3f} of "
        f"{spec.metric}, the next column ({second.column!r}) {next_one:.3f}. {_CURE}"
    )
    return Suspicion(kind="carries_the_skill", column=first.column, value=first.mean / lead, sentence=sentence)


_CURE = "If its value is known only together with the outcome, move it to features.ignore and train again."


def _equal(spec: ModelSpec, rows: pd.DataFrame, column: str) -> Suspicion | None:
    values, target = rows[column], rows[spec.target]
    if spec.task == "regression":
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        same = np.isclose(numbers, target.to_numpy(dtype=float), rtol=1e-6)
    else:
        same = values.map(label_text, na_action="ignore").to_numpy(dtype=object) == target.to_numpy(dtype=object)
    share = float(np.mean(same))
    if share < SAME_SHARE or target.nunique() < 2 or values.nunique() < 2:
        return None
    sentence = (
        f"Column {column!r} has the value of the target {spec.target!r} in {percent(share)} of {len(rows):,} rows: it is the answer, "
        "which nobody knows when a prediction is asked for. Move it to features.ignore and train again."
    )
    return Suspicion(kind="equal_to_target", column=column, value=share, sentence=sentence)


def _alone(spec: ModelSpec, rows: pd.DataFrame, column: str) -> Suspicion | None:
    if column in spec.features.text and rows[column].nunique() > MAX_CATEGORIES:
        return None
    score = alone_score(spec, rows, column)
    if score is None or score < ALONE_SCORE:
        return None
    name = "R2" if spec.task == "regression" else "ROC AUC"
    sentence = (
        f"Column {column!r} alone predicts {spec.target!r} with a {name} of {score:.3f} (cross-validated, {len(rows):,} rows). {_CURE}"
    )
    return Suspicion(kind="predicts_alone", column=column, value=score, sentence=sentence)


def _words(spec: ModelSpec, rows: pd.DataFrame, column: str) -> Suspicion | None:
    if column not in spec.features.text or spec.task == "regression":
        return None
    told = telltale(rows[column], rows[spec.target], most_classes=_MOST_CLASSES, seed=spec.training.seed)
    if told is None or told.score < ALONE_SCORE:
        return None
    sentence = (
        f"Single words of column {column!r} tell {spec.target!r} with a ROC AUC of {told.score:.3f}, such as {told.word[:_LONGEST_WORD]!r} "
        f"for {told.name[:_LONGEST_WORD]!r} (chosen and measured on different texts, {told.rows:,} rows). If they are written only "
        "together with the outcome, take them out of the texts or move the column to features.ignore, and train again."
    )
    return Suspicion(kind="predicts_alone", column=column, value=told.score, sentence=sentence)


def alone_score(spec: ModelSpec, rows: pd.DataFrame, column: str) -> float | None:
    """How well a small decision tree predicts the target from this column alone: cross-validated ROC AUC, R2 for a regression.

    Of several classes the mean ROC AUC of each against the others, of the `_MOST_CLASSES` most frequent. None where the rows are too few.
    """
    from sklearn.metrics import r2_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    size = {"max_depth": 6, "min_samples_leaf": max(5, len(rows) // 500), "random_state": spec.training.seed}
    if spec.task == "regression":
        if len(rows) < 10 * _FOLDS or rows[spec.target].nunique() < 2:
            return None
        model = _tree(spec, column, DecisionTreeRegressor(**size))
        return float(r2_score(rows[spec.target], cross_val_predict(model, rows[[column]], rows[spec.target], cv=_FOLDS)))
    counts = rows[spec.target].value_counts()
    kept = rows[rows[spec.target].isin(counts[counts >= 2 * _FOLDS].index[:_MOST_CLASSES])]
    codes, classes = pd.factorize(kept[spec.target], sort=True)
    if len(classes) < 2:
        return None
    model = _tree(spec, column, DecisionTreeClassifier(**size))
    chances = cross_val_predict(model, kept[[column]], codes, cv=_FOLDS, method="predict_proba")
    return _mean_auc(codes, chances)


def _mean_auc(codes: npt.NDArray[Any], chances: npt.NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(np.mean([roc_auc_score(codes == place, chances[:, place]) for place in range(chances.shape[1])]))


def _tree(spec: ModelSpec, column: str, tree: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    if column in spec.features.numeric:
        return make_pipeline(Numbers(), tree)
    if column in spec.features.datetime:
        return make_pipeline(Dates(), tree)
    return make_pipeline(Labels(), OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES), tree)


def _like_an_id(spec: ModelSpec, rows: pd.DataFrame, column: str) -> Suspicion | None:
    """Labels that hardly ever come twice, and whole numbers that count the rows: all different, with few gaps."""
    values = rows[column].dropna()
    if len(values) < 50:
        return None
    share = values.nunique() / len(values)
    counted = column in spec.features.numeric
    if (
        share < (1.0 if counted else DISTINCT_SHARE)
        or column in (*spec.features.datetime, *spec.features.text)
        or (counted and not _counts(values))
    ):
        return None
    sentence = (
        f"Column {column!r} has {percent(share)} different values in {len(values):,} rows, as an id has: the model can only learn rows by "
        "heart from it. Move it to features.ignore, or declare it as the model's id."
    )
    return Suspicion(kind="like_an_id", column=column, value=share, sentence=sentence)


def _counts(values: pd.Series) -> bool:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(numbers).all() or (numbers % 1 != 0).any():
        return False
    return bool(numbers.max() - numbers.min() < 3 * len(numbers))
