"""Distances from profiles are Evidently's own values, on any column; a profile loses nothing that they need."""

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from ml.monitoring import distances, load_evidently, profiles

NUMBERS = st.one_of(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200),
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=200),
    st.lists(st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]), min_size=1, max_size=50).map(lambda found: [*found, 0.0]),
    st.tuples(st.floats(-10, 10), st.integers(1, 60)).map(lambda pair: [pair[0]] * pair[1]),
)
LABELS = st.lists(st.sampled_from(["a", "b", "c", "d", "é", "", "a b", None]), min_size=1, max_size=120).map(lambda found: [*found, "a"])


def evidently(method: str, kind: str, reference: pd.Series, window: pd.Series) -> float:
    """What Evidently's own function says of the values that are there."""
    load_evidently()
    from evidently.legacy.calculations.stattests.registry import get_registered_stattest
    from evidently.legacy.calculations.stattests.tvd_stattest import _total_variation_distance
    from evidently.legacy.core import ColumnType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == "TVD":  # the distance itself; the test of that name gives a p-value from permutations
            return float(_total_variation_distance(reference, window))
        column = ColumnType.Numerical if kind == "numeric" else ColumnType.Categorical
        return float(get_registered_stattest(method, column)(reference, window, column, None).drift_score)


def same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("method", sorted(distances.NUMERIC))
@settings(max_examples=60, deadline=None)
@given(reference=NUMBERS, window=NUMBERS)
def test_numbers_are_as_far_apart_as_evidently_says(method: str, reference: list[float], window: list[float]) -> None:
    before, now = (np.array(side)[np.isfinite(side)] for side in (reference, window))
    ours = distances.NUMERIC[method](profiles.numeric(np.array(reference)), profiles.numeric(np.array(window)))
    assert same(ours, evidently(method, "numeric", pd.Series(before), pd.Series(now)))


@pytest.mark.parametrize("method", sorted(distances.LABELS))
@settings(max_examples=60, deadline=None)
@given(reference=LABELS, window=LABELS)
def test_labels_are_as_far_apart_as_evidently_says(method: str, reference: list[Any], window: list[Any]) -> None:
    before, now = (pd.Series(side, dtype=object).dropna() for side in (reference, window))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = distances.LABELS[method](
            profiles.labels(pd.Series(reference, dtype=object)), profiles.labels(pd.Series(window, dtype=object))
        )
    assert same(ours, evidently(method, "labels", before, now))


@settings(max_examples=150, deadline=None)
@given(reference=NUMBERS, window=NUMBERS)
def test_both_ways_to_wasserstein_give_the_same(reference: list[float], window: list[float]) -> None:
    before, now = profiles.numeric(np.array(reference)), profiles.numeric(np.array(window))
    of_quantiles, of_shares = distances._between_quantiles(before, now), distances._between_shares(before, now)
    assert of_quantiles == pytest.approx(of_shares, rel=1e-9, abs=1e-9)


def test_ks_of_many_rows_is_scipys() -> None:
    random = np.random.default_rng(0)
    reference, window = random.normal(size=30_000).round(3), random.normal(0.02, 1, 12_000).round(3)
    ours = distances.ks(profiles.numeric(reference), profiles.numeric(window))
    assert ours == pytest.approx(ks_2samp(reference, window).pvalue, rel=1e-9)
    assert distances.ks_statistic(profiles.numeric(reference), profiles.numeric(window)) == pytest.approx(
        ks_2samp(reference, window).statistic
    )


def test_a_profile_counts_what_is_missing_and_keeps_the_rest() -> None:
    found = profiles.numeric(np.array([2.0, math.nan, 1.0, 2.0, math.inf]))
    assert (found.values.tolist(), found.counts.tolist(), found.rows, found.present) == ([1.0, 2.0], [1, 2], 5, 3)
    assert found.missing_share == pytest.approx(0.4)
    labels = profiles.labels(pa.chunked_array([["b", None], ["a", "b"]]))
    assert (labels.counts, labels.rows, labels.missing_share) == ({"b": 2, "a": 1}, 4, 0.25)


def test_arrow_and_pandas_columns_give_the_same_profile() -> None:
    values = [1, None, 3, 3]
    arrow, series = profiles.numeric(pa.array(values)), profiles.numeric(pd.Series(values, dtype="Int64"))
    assert arrow.values.tolist() == series.values.tolist() == [1.0, 3.0]
    assert arrow.rows == series.rows == 4
    assert profiles.numeric(pa.array([None], pa.float64())).missing_share == 1.0
