"""The columns that the model leans on come first, within the time that there is."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ml.training.assessing.importance import LEAST_ROWS, REPEATS, permutation
from tests.training.assessing.frames import fitted, parts, shop

AMPLE = timedelta(minutes=5)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"promotion": {"metric": "log_loss"}},
        {"task": "multiclass", "target": "mood", "positive": None, "features": {"numeric": ["age", "spent"], "categorical": ["city"]}},
        {"task": "regression", "target": "paid", "positive": None},
    ],
)
def test_what_decides_comes_first_and_the_rest_near_zero(kind: dict[str, Any]) -> None:
    spec = shop(**kind)
    development, test = parts()
    found = permutation(spec, fitted(spec, development), test, limit=AMPLE)
    first, *others = found.columns
    assert (found.metric, found.rows, found.repeats) == (spec.metric, 600, REPEATS)
    assert first.column == "spent"
    assert first.mean > 0.1
    assert first.deviation > 0
    assert all(abs(one.mean) < first.mean / 10 for one in others)
    assert {one.column for one in found.columns} == {"age", "spent", "city"}


def test_the_mean_is_what_shuffling_costs() -> None:
    spec = shop()
    development, test = parts()
    pipeline = fitted(spec, development)
    truth, rng = test["bought"] == "yes", np.random.default_rng(0)
    whole = roc_auc_score(truth, pipeline.predict_proba(test)[:, 1])
    drops = [
        whole - roc_auc_score(truth, pipeline.predict_proba(test.assign(spent=rng.permutation(test["spent"])))[:, 1]) for _ in range(20)
    ]
    assert permutation(spec, pipeline, test, limit=AMPLE).columns[0].mean == pytest.approx(np.mean(drops), abs=0.03)


def test_the_same_seed_gives_the_same_table() -> None:
    spec = shop()
    development, test = parts()
    pipeline = fitted(spec, development)
    assert permutation(spec, pipeline, test, limit=AMPLE) == permutation(spec, pipeline, test, limit=AMPLE)


def test_no_time_at_all_measures_nothing_and_says_so() -> None:
    spec = shop()
    development, test = parts()
    found = permutation(spec, fitted(spec, development), test, limit=timedelta(0))
    assert (found.rows, found.repeats, found.columns) == (LEAST_ROWS, 0, ())
    assert found.note.startswith("Not measured: one repeat over 3 columns would take")


def test_rows_that_do_not_define_the_metric_have_no_table() -> None:
    spec = shop()
    development, test = parts()
    one_class = test[test["bought"] == "yes"]
    for rows in (one_class, one_class.iloc[:0]):
        assert permutation(spec, fitted(spec, development), rows).note == "Not measured: the test rows do not define roc_auc."


def test_the_frame_that_was_given_stays_as_it_was() -> None:
    spec = shop()
    development, test = parts()
    before = test.copy()
    permutation(spec, fitted(spec, development), test, limit=AMPLE)
    pd.testing.assert_frame_equal(test, before)
