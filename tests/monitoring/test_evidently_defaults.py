"""Evidently's default rule, asked of Evidently itself or reckoned from profiles: the same."""

import numpy as np
import pandas as pd
import pytest

from ml.monitoring import drift, evidently_defaults
from ml.monitoring.drift import Pin
from ml.monitoring.evidently_defaults import Side

NUMBER, LABEL = Pin("x", "numeric", "numeric", "wasserstein", 0.1), Pin("c", "categorical", "categorical", "jensenshannon", 0.1)


def side(rows: int, *, seed: int, shift: float, share: float) -> Side:
    rng = np.random.default_rng(seed)
    columns = {"x": pd.Series(rng.normal(shift, 1, rows)), "c": pd.Series(np.where(rng.random(rows) < share, "a", "b"))}
    return Side(columns, {pin.column: drift.profile_of(pin, columns[pin.column]) for pin in (NUMBER, LABEL)})


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.09, 0.12, 0.5])
def test_profiles_of_a_large_reference_say_what_evidently_says(shift: float) -> None:
    reference, window = side(3000, seed=1, shift=0.0, share=0.5), side(800, seed=2, shift=shift, share=0.5 + shift)
    for pin in (NUMBER, LABEL):
        known = evidently_defaults._by_distance(reference.profiles[pin.column], window.profiles[pin.column])
        columns = (reference.columns[pin.column], window.columns[pin.column])
        assert known == evidently_defaults._drifted(pin.measured_as == "numeric", *columns)


def test_half_of_the_columns_decide_and_a_small_reference_is_tested_by_evidently() -> None:
    reference = side(400, seed=1, shift=0.0, share=0.5)
    assert evidently_defaults.has_drifted([NUMBER, LABEL], reference=reference, window=side(400, seed=2, shift=1.0, share=0.5))
    assert not evidently_defaults.has_drifted([NUMBER, LABEL], reference=reference, window=side(400, seed=3, shift=0.0, share=0.5))
    empty = Side({"x": pd.Series([np.nan] * 9), "c": pd.Series([None] * 9)}, side(9, seed=1, shift=0, share=0).profiles)
    assert evidently_defaults.has_drifted([NUMBER, LABEL], reference=reference, window=empty)
    assert not evidently_defaults.has_drifted([], reference=reference, window=empty)
