"""Values that the reference never had: known answers, levels under chance, and what a window in time may do."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import betabinom

from ml.monitoring import profiles
from ml.monitoring.alarms import shares
from ml.monitoring.alarms.comparing import Comparison, Watched
from ml.monitoring.alarms.own_windows import Cut

RANGE = Watched(column="a", family="data quality", method="out_of_range_share", floor=0.05)
LABELS = Watched(column="a", family="data quality", method="unseen_share", floor=0.05)


def labels(values: Sequence[object]) -> profiles.LabelProfile:
    return profiles.labels(pd.Series(values, dtype=object))


@pytest.mark.parametrize(("rows", "reference", "found"), [(10, 5, 1), (200, 1_000, 3), (50, 20, 10), (7, 2, 7), (10_000, 1_000_000, 2)])
def test_rows_outside_of_a_range_are_beta_binomial(rows: int, reference: int, found: int) -> None:
    ours = shares.out_of_range(found, rows=rows, reference_rows=reference)
    assert ours == pytest.approx(betabinom(rows, 2, reference - 1).sf(found - 1), rel=1e-5), "as SciPy adds it up"


def test_none_outside_is_no_finding_and_the_mean_share_is_two_in_m_plus_one() -> None:
    assert shares.out_of_range(0, rows=10, reference_rows=5) == 1.0
    mean = sum(shares.out_of_range(found, rows=40, reference_rows=9) for found in range(1, 41))  # the tails add up to the mean
    assert mean / 40 == pytest.approx(2 / 10)
    found = shares.compare_range(RANGE, reference=profiles.numeric(np.arange(9.0)), window=profiles.numeric(np.arange(40.0)))
    assert found is not None
    assert (found.effect.value, found.effect.expected) == (31 / 40, pytest.approx(0.2))


def test_the_chance_of_unseen_labels_is_that_of_all_ways_to_deal_the_rows() -> None:
    pooled = "aabcde"
    of = [[pooled[place] for place in places] for places in combinations(range(6), 2)]
    numbers = [sum(label not in _rest(pooled, dealt) for label in dealt) for dealt in of]
    both = np.array(list(labels(list(pooled)).counts.values()))
    assert shares.unseen(1, both, rows=2)[1] == pytest.approx(np.mean(numbers)), "the mean is exact"
    assert shares.unseen(2, both, rows=2)[0] == pytest.approx(np.mean(np.array(numbers) >= 2), abs=0.05), "the tail nearly is"
    assert shares.unseen(0, both, rows=2)[0] == 1.0


def _rest(pooled: str, dealt: list[str]) -> list[str]:
    left = list(pooled)
    for label in dealt:
        left.remove(label)
    return left


def test_many_unseen_labels_are_judged_by_the_normal_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    both = np.ones(3_000, dtype=np.int64)
    exact = shares.unseen(1_020, both[:2_900], rows=1_000)
    monkeypatch.setattr(shares, "_CONVOLVED", 10)
    assert shares.unseen(1_020, both[:2_900], rows=1_000)[0] == pytest.approx(exact[0], abs=0.01)


@pytest.mark.parametrize("different", [50, 3_000, 100_000])
def test_few_windows_of_chance_have_too_many_unseen_labels_however_many_there_are(different: int) -> None:
    random = np.random.default_rng(different)
    shares_of = 1 / np.arange(1, different + 1)
    found = []
    for _ in range(300):
        drawn = random.choice(different, 800, p=shares_of / shares_of.sum())
        counts = np.bincount(drawn, minlength=different)
        new = int(np.bincount(drawn[600:], minlength=different)[np.bincount(drawn[:600], minlength=different) == 0].sum())
        found.append(shares.unseen(new, counts[counts > 0], rows=200)[0])
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_a_new_label_and_another_unit_are_found_and_labels_that_are_always_new_are_not() -> None:
    known = ["a", "b", "c"] * 300
    assert _unseen(known, [*["d"] * 12, *["a"] * 188]).p_value < 1e-6
    names = [f"n{number}" for number in range(1_200)]
    always = _unseen(names[:900], names[900:])
    assert (always.effect.value, always.effect.debiased) == (1.0, pytest.approx(0.0, abs=1e-9))
    assert always.p_value > 0.5
    values = np.random.default_rng(0).lognormal(size=1_200)
    pounds = shares.compare_range(RANGE, reference=profiles.numeric(values[:1_000]), window=profiles.numeric(100 * values[1_000:]))
    assert pounds is not None
    assert pounds.p_value < 1e-9
    assert pounds.effect.reaches(0.05)


def _unseen(reference: Sequence[object], window: Sequence[object]) -> Comparison:
    found = shares.compare_unseen(LABELS, reference=labels(reference), window=labels(window))
    assert found is not None
    return found


def test_one_value_has_no_range_and_no_value_no_share() -> None:
    one, some, none = (profiles.numeric(np.array(values, dtype=float)) for values in ([1], [1, 2, 3], [math.nan, math.inf]))
    assert shares.compare_range(RANGE, reference=one, window=some) is None
    assert shares.compare_range(RANGE, reference=some, window=none) is None
    assert shares.compare_unseen(LABELS, reference=labels([None]), window=labels(["a"])) is None
    single = shares.compare_range(RANGE, reference=some, window=profiles.numeric(np.array([9.0])))
    assert single is not None
    assert single.p_value == pytest.approx(0.5), "one row outside of three: 2 of 4 places"


def test_rows_that_follow_each_other_count_as_fewer() -> None:
    random, wrong = np.random.default_rng(3), {"rows": 0, "windows": 0}
    for _ in range(100):
        values = lfilter([1], [1, -0.95], random.normal(size=5_000))[500:]
        reference, window = values[:4_000], values[4_300:]
        whole, now = profiles.numeric(reference), profiles.numeric(window)
        own = Cut.of(np.arange(4_000), window_rows=200).calibrated(
            pd.Series(reference), whole, method="wasserstein", profile=profiles.numeric
        )
        for name, calibration in (("rows", None), ("windows", own.distance)):
            found = shares.compare_range(RANGE, reference=whole, window=now, calibration=calibration)
            assert found is not None
            wrong[name] += found.p_value <= 0.02
    assert wrong["windows"] / 100 <= 0.02 + 2 * math.sqrt(0.02 * 0.98 / 100)
    assert wrong["rows"] > 2 * max(1, wrong["windows"])
