"""Calibration by the reference's own windows keeps its level where rows follow each other, and tests of rows do not."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import t

from ml.monitoring import distances, profiles
from ml.monitoring.alarms import cells, windows
from ml.monitoring.alarms.comparing import Watched, compare, compare_missing
from ml.monitoring.alarms.windows import Calibration

WATCHED = Watched(column="a", family="data", method="wasserstein", floor=0.0)
LABELS = Watched(column="a", family="data", method="jensenshannon", floor=0.0)


def autoregressive(phi: float, rows: int, random: np.random.Generator) -> np.ndarray:
    return np.asarray(lfilter([1], [1, -phi], random.normal(size=rows + 200))[200:] * np.sqrt(1 - phi**2))


def calibrated(values: np.ndarray, size: int, method: str = "wasserstein") -> Calibration | None:
    parts = [profiles.numeric(values[part]) for part in windows.disjoint(len(values), size)]
    return windows.calibrate_numbers(method, reference=profiles.numeric(values), windows=parts)


def as_labels(values: np.ndarray) -> profiles.LabelProfile:
    return profiles.labels(pd.Series(np.array(["low", "middle", "high"])[np.digitize(values, [-0.5, 0.5])]))


def test_windows_are_disjoint_and_the_newest_rows_are_in_one() -> None:
    parts = windows.disjoint(1_050, 200)
    assert [part.stop - part.start for part in parts] == [200] * 5
    assert (parts[0].start, parts[-1].stop) == (50, 1_050)
    assert windows.disjoint(100, 200) == []


def test_the_threshold_is_the_published_one() -> None:
    values, size = np.random.default_rng(1).normal(size=2_400), 200
    found, m = calibrated(values, size), 2_400
    logs = []
    for part in windows.disjoint(m, size):
        rest = np.delete(values, np.arange(part.start, part.stop))
        apart = distances.wasserstein(profiles.numeric(rest), profiles.numeric(values[part]))
        logs.append(np.log(apart * np.sqrt((1 / size + 1 / m) / (1 / size + 1 / (m - size)))))
    b = len(logs)
    expected = np.exp(np.mean(logs) + t.isf(0.001, b - 1) * np.std(logs, ddof=1) * np.sqrt(1 + 1 / b))
    assert found is not None
    assert found.threshold(0.001, rows=size, reference_rows=m) == pytest.approx(expected, rel=1e-9)
    assert found.p_value(expected, rows=size, reference_rows=m) == pytest.approx(0.001, rel=1e-9)


def rates(phi: float, trials: int, of: str) -> tuple[float, float]:
    """How often a window without drift is significant at 5 %: calibrated, and as if its rows were independent."""
    random, hits = np.random.default_rng([2, int(100 * phi)]), []
    for _ in range(trials):
        values, window = autoregressive(phi, 3_000, random), autoregressive(phi, 150, random)
        if of == "numbers":
            watched, whole, now, own = WATCHED, profiles.numeric(values), profiles.numeric(window), calibrated(values, 150)
        else:
            watched, whole, now = LABELS, as_labels(values), as_labels(window)  # type: ignore[assignment]
            parts = [as_labels(values[part]) for part in windows.disjoint(3_000, 150)]
            own = windows.calibrate_labels(reference=as_labels(values), windows=parts)
        said = [compare(watched, reference=whole, window=now, calibration=how) for how in (own, None)]
        hits.append([one is not None and one.p_value <= 0.05 for one in said])
    mine, naive = np.mean(hits, axis=0)
    return float(mine), float(naive)


@pytest.mark.parametrize("of", ["numbers", "labels"])
def test_rows_that_follow_each_other_alarm_as_often_as_stated(of: str) -> None:
    mine, naive = rates(0.9, 150, of)
    assert mine < 0.12
    assert naive > 0.5


def test_independent_rows_lose_nothing_by_it() -> None:
    mine, _ = rates(0.0, 150, "numbers")
    assert 0.005 < mine < 0.12


def test_the_variance_of_dependent_rows_is_told() -> None:
    random = np.random.default_rng(3)
    independent, dependent = (calibrated(autoregressive(phi, 20_000, random), 200) for phi in (0.0, 0.9))
    assert independent is not None
    assert independent.inflation == pytest.approx(1, abs=0.35)
    assert dependent is not None
    assert dependent.inflation > 5


def test_few_windows_are_provisional_and_two_are_none() -> None:
    values = np.random.default_rng(4).normal(size=4_000)
    many, few = calibrated(values, 200), calibrated(values, 1_000)
    assert many is not None
    assert (many.windows, many.is_provisional) == (20, False)
    assert few is not None
    assert few.is_provisional
    assert calibrated(values, 2_000) is None


def test_a_constant_column_has_no_calibration() -> None:
    assert calibrated(np.ones(2_000), 100) is None
    assert windows.calibrate_labels(reference=as_labels(np.zeros(200)), windows=[as_labels(np.zeros(20))] * 5) is None


def test_a_calibration_is_kept_as_json_and_read_again() -> None:
    found = calibrated(np.random.default_rng(5).normal(size=2_000), 100)
    assert found is not None
    assert Calibration(**json.loads(json.dumps(found.to_json()))) == found


def test_missing_values_that_come_in_bursts_are_no_news() -> None:
    random = np.random.default_rng(6)
    values = np.where(autoregressive(0.95, 6_000, random) > 1, np.nan, 0.0)
    whole = profiles.numeric(values)
    parts = [profiles.numeric(values[part]) for part in windows.disjoint(6_000, 200)]
    own = windows.calibrate_missing(reference=whole, windows=parts)
    watched = Watched(column="a", family="missing", method="missing_share", floor=0.1)
    burst = profiles.numeric(np.where(np.arange(200) < 60, np.nan, 0.0))
    assert compare_missing(watched, reference=whole, window=burst).p_value < 1e-4
    assert compare_missing(watched, reference=whole, window=burst, calibration=own).p_value > 0.01


def test_a_part_is_taken_out_of_the_reference() -> None:
    values = np.array([1.0, 1, 2, 3, 3, np.nan])
    rest = windows.without(profiles.numeric(values), profiles.numeric(values[[0, 3, 5]]))
    expected = profiles.numeric(values[[1, 2, 4]])
    assert (rest.values.tolist(), rest.counts.tolist(), rest.rows) == (expected.values.tolist(), expected.counts.tolist(), 3)
    assert rest.std == pytest.approx(expected.std)
    with pytest.raises(ValueError, match="no part"):
        windows.without(profiles.numeric(values), profiles.numeric(np.array([9.0])))


def test_many_values_are_calibrated_on_a_coarse_grid() -> None:
    random = np.random.default_rng(7)
    values = random.normal(size=30_000)
    found, size = calibrated(values, 1_500), 1_500
    exact = []
    for part in windows.disjoint(len(values), size):
        now, whole = profiles.numeric(values[part]), profiles.numeric(values)
        exact.append(distances.wasserstein(windows.without(whole, now), now))
    shrunk = np.log(exact) + 0.5 * np.log((1 / size + 1 / 30_000) / (1 / size + 1 / 28_500))
    assert found is not None
    assert found.center == pytest.approx(shrunk.mean(), abs=0.02)
    assert len(cells.marks(np.sort(values))) <= 4_096


def test_what_chance_adds_is_more_where_rows_follow_each_other() -> None:
    random = np.random.default_rng(8)
    values, now = autoregressive(0.9, 6_000, random), autoregressive(0.9, 200, random)
    sides = {"reference": profiles.numeric(values), "window": profiles.numeric(now)}
    naive, own = (compare(WATCHED, **sides, calibration=how) for how in (None, calibrated(values, 200)))
    assert naive is not None
    assert own is not None
    assert own.effect.expected > 2 * naive.effect.expected
    assert own.effect.margin > 2 * naive.effect.margin
