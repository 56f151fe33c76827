"""How the reference is cut: at the rate that is promised, whatever the size of the first window, by time or by whole groups."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from ml.monitoring import profiles
from ml.monitoring.alarms import basis
from ml.monitoring.alarms.comparing import Comparison, Watched, compare
from ml.monitoring.alarms.own_windows import Cut, OwnWindows
from ml.monitoring.alarms.windows import MOST_STRETCH

WATCHED = Watched(column="a", family="data", method="wasserstein", floor=0.0)
LABELS = Watched(column="a", family="data", method="jensenshannon", floor=0.0)
Made = Callable[[int, np.random.Generator], np.ndarray]


def autoregressive(rows: int, random: np.random.Generator) -> np.ndarray:
    return np.asarray(lfilter([1], [1, -0.9], random.normal(size=rows + 200))[200:] * np.sqrt(1 - 0.81))


def days(rows: int, random: np.random.Generator) -> np.ndarray:
    """500 rows of each day, and each day lies a little off."""
    effects = np.repeat(0.5 * random.normal(size=rows // 500 + 2), 500)[random.integers(500) :][:rows]
    return np.asarray(effects + random.normal(size=rows))


def grouped(groups: int, random: np.random.Generator) -> np.ndarray:
    """50 rows of each group; their correlation is 1/2."""
    return np.asarray(np.repeat(np.sqrt(0.5) * random.normal(size=groups), 50) + np.sqrt(0.5) * random.normal(size=groups * 50))


def own(values: np.ndarray, cut: Cut) -> OwnWindows:
    return cut.calibrated(pd.Series(values), profiles.numeric(values), method="wasserstein", profile=profiles.numeric)


def compared(values: np.ndarray, window: np.ndarray, found: OwnWindows) -> Comparison:
    sides = {"reference": profiles.numeric(values), "window": profiles.numeric(window)}
    said = compare(WATCHED, **sides, calibration=found.distance, note=found.note)
    assert said is not None
    return said


def as_labels(values: np.ndarray) -> profiles.LabelProfile:
    return profiles.labels(pd.Series(np.array(["low", "middle", "high"])[np.digitize(values, [-0.5, 0.5])]))


@pytest.mark.parametrize(
    ("made", "rows", "first", "watched"),
    [(autoregressive, 3_000, 1_500, 200), (autoregressive, 4_000, 1_600, 1_600), (days, 10_000, 3_500, 3_500)],
    ids=["after a backlog", "large windows", "days"],
)
def test_whatever_the_first_windows_size_windows_alarm_no_more_often_than_promised(made: Made, rows: int, first: int, watched: int) -> None:
    random, wrong, trials = np.random.default_rng(1), 0, 100
    for _ in range(trials):
        values = made(rows, random)
        found = compared(values, made(watched, random), own(values, Cut.of(np.arange(rows), window_rows=first)))
        assert found.calibration is not None
        assert not found.is_provisional
        wrong += found.p_value <= 0.05
    assert wrong / trials <= 0.05 + 2 * (0.05 * 0.95 / trials) ** 0.5


def test_a_reference_of_two_windows_still_sees_a_shift() -> None:
    random, found = np.random.default_rng(2), 0
    for _ in range(20):
        values = random.normal(size=4_000)
        found += compared(values, 0.3 + random.normal(size=2_000), own(values, Cut.of(np.arange(4_000), window_rows=2_000))).p_value < 0.003
    assert found == 20


@pytest.mark.parametrize(
    ("rows", "window_rows", "size", "parts"),
    [(4_000, 200, 200, 20), (4_000, 201, 200, 20), (4_000, 9_000, 200, 20), (300, 200, 30, 10), (50, 40, 30, 1)],
)
def test_a_reference_is_cut_into_twenty_windows_at_least_unless_they_became_tiny(
    rows: int, window_rows: int, size: int, parts: int
) -> None:
    cut = Cut.of(np.arange(rows), window_rows=window_rows)
    assert (cut.size, len(cut.parts)) == (size, parts)


def test_rows_that_stay_alike_for_longer_than_a_small_window_are_seen_by_larger_ones() -> None:
    values = days(10_000, np.random.default_rng(3))
    cut = Cut.of(np.arange(10_000), window_rows=2_000)
    small = own(values, Cut(cut.order, 100, tuple(slice(start, start + 100) for start in range(0, 10_000, 200)))).distance
    both = own(values, Cut(cut.order, 100, tuple(slice(start, start + 100) for start in range(0, 10_000, 200)), cut.larger)).distance
    assert small is not None
    assert both is not None
    assert both.threshold(0.05, rows=800, reference_rows=10_000) > 1.3 * small.threshold(0.05, rows=800, reference_rows=10_000)
    assert both.inflation > small.inflation


def test_windows_are_stretched_so_far_and_no_farther_and_what_lies_beyond_is_provisional() -> None:
    values = np.random.default_rng(4).normal(size=1_000)
    found = own(values, Cut.of(np.arange(1_000), window_rows=50)).distance
    assert found is not None
    most = MOST_STRETCH * 50
    near, far, beyond = (found.threshold(0.01, rows=rows, reference_rows=1_000) for rows in (most - 100, most, 10 * most))
    assert near > far
    assert far == pytest.approx(beyond)
    labels = Cut.of(np.arange(1_000), window_rows=50).calibrated(
        pd.Series(values), as_labels(values), method="jensenshannon", profile=lambda part: as_labels(part.to_numpy())
    )
    assert labels.distance is not None
    near, far = (labels.distance.p_value(9.0, rows=rows, reference_rows=1_000, freedom=2) for rows in (most, 4 * most))
    assert near < far / 5
    said = [compared(values, np.resize(values, rows), own(values, Cut.of(np.arange(1_000), window_rows=50))) for rows in (most, most + 1)]
    assert [one.is_provisional for one in said] == [False, True]
    assert said[1].basis.words.endswith("provisional: 401 rows are far more")


def test_a_time_without_windows_enough_is_provisional_and_none_is_not() -> None:
    values = np.random.default_rng(5).normal(size=50)
    few = own(values, Cut.of(np.arange(50), window_rows=40))
    assert basis.told(few.note) == "the reference has room for 1 window of 30 rows, and 3 are needed"
    assert compared(values, values[:20], few).is_provisional
    assert compared(values, values[:20], few).basis.words.endswith("3 are needed; provisional")
    assert not compared(values, values[:20], OwnWindows()).is_provisional


def test_rows_of_a_group_that_are_alike_alarm_no_more_often_than_promised() -> None:
    random, wrong, naive, trials = np.random.default_rng(6), 0, 0, 100
    names = pd.Series(np.repeat([f"g{number}" for number in range(200)], 50))
    cut = Cut.of_groups(names, window_rows=1_000)
    for _ in range(trials):
        values, window = grouped(200, random), grouped(20, random)
        wrong += compared(values, window, own(values, cut)).p_value <= 0.05
        naive += compared(values, window, OwnWindows()).p_value <= 0.05
    assert wrong / trials <= 0.05 + 2 * (0.05 * 0.95 / trials) ** 0.5
    assert naive / trials > 0.5


def test_sets_of_groups_are_disjoint_and_whole_in_any_order_of_the_rows() -> None:
    random = np.random.default_rng(7)
    names = pd.Series(random.choice([f"g{number}" for number in range(300)], 5_000)).where(random.random(5_000) > 0.01)
    cut = Cut.of_groups(names, window_rows=200)
    held = [names.iloc[cut.order[part]] for part in cut.parts]
    assert len(held) >= 15
    assert sum(len(one.dropna().unique()) for one in held) == len(set().union(*(one.dropna() for one in held)))
    assert min(len(one) for one in held) >= 200
    known = names.dropna()
    found, shuffled = (
        [sorted(set(one.iloc[cut.order[part]])) for part in cut.parts]
        for one in (known, known.sample(frac=1, random_state=1))
        for cut in [Cut.of_groups(one, window_rows=200)]
    )
    assert found == shuffled
    said = own(random.normal(size=5_000), cut)
    assert said.distance is not None
    values = random.normal(size=100)
    assert compared(values, values, said).basis.words.startswith(f"from {len(held)} disjoint sets of whole groups of the reference")
    assert OwnWindows.from_json(json.loads(json.dumps(said.to_json()))) == said
    assert Cut.of_groups(pd.Series([], dtype=object), window_rows=5).parts == ()
    assert Cut.of_groups(pd.Series([3, 3, 4]), window_rows=5).parts == ()
