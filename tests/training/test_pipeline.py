"""One pipeline takes whatever the accepted table holds."""

import numpy as np
import pandas as pd
import pytest

from ml.training.candidates import build
from ml.training.columns import MISSING, Dates, Labels, Numbers, Tails, Words
from ml.training.evaluation import predict
from ml.training.fitting import fit
from ml.training.pipeline import MAX_CATEGORIES, columns_step
from tests.training.worlds import spec_of

FEATURES = {"numeric": ["n"], "categorical": ["c"], "text": ["t"], "datetime": ["d"]}
CLASSES = [
    "sklearn.linear_model.LogisticRegression",
    "sklearn.ensemble.RandomForestClassifier",
    "xgboost.XGBClassifier",
    "sklearn.ensemble.HistGradientBoostingClassifier",
    "sklearn.naive_bayes.GaussianNB",
]


def frame(rows: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    number = rng.normal(size=rows)
    return pd.DataFrame(
        {
            "n": number,
            "c": rng.choice(["a", "b", None], rows),
            "t": rng.choice(["good shoes", "bad hat", None], rows),
            "d": pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 9000, rows), unit="h"),
            "bought": np.where(number > 0, "yes", "no"),
        }
    )


@pytest.mark.parametrize("path", CLASSES)
def test_missing_values_unseen_categories_and_empty_columns_are_no_obstacle(path: str) -> None:
    spec = spec_of(features=FEATURES, training={"candidates": [{"name": "one", "class": path}]})
    rows = frame()
    pipeline = fit(spec, "one", {}, rows)
    unseen = pd.DataFrame({"n": [np.nan, 1e9], "c": ["never seen", None], "t": [None, "unknown words"], "d": [pd.NaT, pd.NaT]})
    found = predict(pipeline, unseen, task="binary")
    assert set(found.values) <= {"yes", "no"}
    assert np.isfinite(found.probabilities.to_numpy()).all()
    assert predict(pipeline, rows, task="binary").values.tolist().count("yes") > 20


@pytest.mark.parametrize("path", CLASSES)
def test_columns_that_are_wholly_empty_can_be_fitted(path: str) -> None:
    spec = spec_of(features=FEATURES, training={"candidates": [{"name": "one", "class": path}]})
    rows = frame().assign(n=np.nan, c=None, t=None)
    predict(fit(spec, "one", {}, rows), frame(), task="binary")


def test_columns_that_the_model_does_not_know_are_passed_over_and_their_order_does_not_matter() -> None:
    spec = spec_of(features={"numeric": ["n"], "categorical": ["c"]})
    pipeline = fit(spec, "logistic", {}, frame())
    expected = predict(pipeline, frame(), task="binary").probabilities
    moved = frame()[["d", "c", "bought", "n"]].assign(extra=1)
    pd.testing.assert_frame_equal(predict(pipeline, moved, task="binary").probabilities, expected)


def test_a_column_of_many_categories_gets_a_bounded_number_of_columns() -> None:
    spec = spec_of(features={"categorical": ["c"]})
    rows = pd.DataFrame({"c": [f"value {number}" for number in range(3000)]})
    assert columns_step(spec, object()).fit_transform(rows).shape[1] == MAX_CATEGORIES


def test_numbers_that_are_text_are_read_and_what_is_no_finite_number_is_missing() -> None:
    column = pd.DataFrame({"n": pd.Series(["1.5", "x", None, "inf", 2, -1e300], dtype=object)})
    np.testing.assert_array_equal(Numbers().fit(column).transform(column).ravel(), [1.5, np.nan, np.nan, np.nan, 2, -1e30])


def test_a_label_has_one_text_and_a_missing_one_is_a_category() -> None:
    column = pd.DataFrame({"c": pd.Series([1, 1.0, "1", None, np.nan], dtype=object), "b": [True, False, True, True, False]})
    found = Labels().fit(column).transform(column)
    assert found[:, 0].tolist() == ["1", "1", "1", MISSING, MISSING]
    assert found[:, 1].tolist() == ["True", "False", "True", "True", "False"]


def test_dates_are_taken_apart_in_utc() -> None:
    column = pd.DataFrame({"d": pd.to_datetime(["2026-03-02T23:30:00+02:00", None], utc=True)})
    step = Dates().fit(column)
    np.testing.assert_array_equal(step.transform(column), [[2026, 3, 0, 21], [np.nan] * 4])
    assert step.get_feature_names_out().tolist() == ["d_year", "d_month", "d_weekday", "d_hour"]


def test_text_without_any_word_gives_no_columns() -> None:
    column = pd.Series([None, "", "!"])
    assert Words().fit(column).transform(column).shape == (3, 0)


def test_far_out_values_are_drawn_in_and_all_others_stay() -> None:
    usual = np.append(np.linspace(0, 4, 99), 1e6)
    counts = np.append(np.zeros(97), [1.0, 2.0, 98.0])
    same, empty = np.full(100, 7.0), np.full(100, np.nan)
    numbers = np.column_stack([usual, counts, same, empty])
    found = Tails().fit(numbers).transform(numbers)
    np.testing.assert_array_equal(found[:99, 0], usual[:99])
    assert 20 < found[99, 0] < 60
    assert np.diff(found[:, 1]).min() >= 0
    np.testing.assert_array_equal(found[:, 2:], numbers[:, 2:])


def test_a_linear_model_is_not_blinded_by_a_few_wild_values() -> None:
    rng = np.random.default_rng(0)
    number = rng.normal(size=600)
    rows = pd.DataFrame({"n": number, "bought": np.where(number > 0, "yes", "no")})
    rows.loc[:5, "n"] = 1e9
    spec = spec_of(features={"numeric": ["n"]}, training={"candidates": [{"name": "one", "class": CLASSES[0]}]})
    found = predict(fit(spec, "one", {}, rows), rows.iloc[10:], task="binary")
    assert (found.values == rows["bought"].iloc[10:]).mean() > 0.95


def test_words_pairs_and_runs_of_characters_are_counted_side_by_side() -> None:
    column = pd.Series(["lost parcel", "parcel found", None])
    step = Words()
    found = step.fit_transform(column)
    names = step.get_feature_names_out().tolist()
    assert found.shape == (3, len(names))
    assert {"parcel", "lost parcel", "run:parc"} <= {*names}
    np.testing.assert_array_equal(step.transform(column).toarray(), found.toarray())


@pytest.mark.parametrize(("texts", "width"), [(["a b c", "lost parcel", "found it"], 3), (["", None, "!"], 0)])
def test_few_dense_columns_for_a_model_that_needs_them(texts: list[str], width: int) -> None:
    column = pd.Series(texts * 30)
    step = Words(dense_columns=3)
    found = step.fit_transform(column)
    assert found.shape == (90, width)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(step.transform(column), found, atol=1e-9)
    assert len(step.get_feature_names_out()) == width


@pytest.mark.parametrize(
    ("path", "is_wide"),
    [
        ("sklearn.linear_model.LogisticRegression", True),
        ("sklearn.svm.LinearSVC", True),
        ("sklearn.naive_bayes.ComplementNB", True),
        ("sklearn.naive_bayes.GaussianNB", False),
        ("xgboost.XGBClassifier", False),
        ("sklearn.neural_network.MLPClassifier", False),
    ],
)
def test_text_is_wide_for_models_that_learn_well_from_it(path: str, is_wide: bool) -> None:
    spec = spec_of(features={"text": ["t"]}, training={"candidates": [{"name": "one", "class": path}]})
    rows = pd.DataFrame({"t": [f"word{number} thing{number % 7}" for number in range(300)]})
    found = columns_step(spec, build(spec, spec.candidate("one"), {})).fit_transform(rows)
    assert (found.shape[1] > 1000) == is_wide
    assert isinstance(found, np.ndarray) != is_wide
