"""The verdict: significance and floor, each family by its own level, persistence, and what is said in words."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from ml.errors import NoData
from ml.monitoring import profiles
from ml.monitoring.alarms.comparing import Comparison, Watched, compare, compare_missing, compare_text
from ml.monitoring.alarms.effects import Effect
from ml.monitoring.alarms.persistence import level_of_persisting, shared_part
from ml.monitoring.alarms.verdicts import ColumnVerdict, benjamini_hochberg, judge
from ml.spec import Persistence


def compared(p_value: float, *, column: str = "a", family: str = "data", debiased: float = 0.5, floor: float = 0.1) -> Comparison:
    effect = Effect(value=debiased + 0.01, expected=0.01, debiased=debiased, margin=0.02)
    watched = Watched(column=column, family=family, method="wasserstein", floor=floor)
    return Comparison(watched=watched, p_value=p_value, effect=effect, rows=100, reference_rows=900)


def only(comparison: Comparison, level: float = 0.01) -> ColumnVerdict:
    return judge([comparison], levels={"data": level})[0].columns[0]


@pytest.mark.parametrize(
    ("p_value", "debiased", "is_alarm"),
    [(0.001, 0.5, True), (0.01, 0.5, True), (0.0101, 0.5, False), (0.001, 0.08, True), (0.001, 0.0799, False), (0.5, 0.0, False)],
)
def test_an_alarm_is_more_than_chance_and_not_below_the_floor(p_value: float, debiased: float, is_alarm: bool) -> None:
    found = only(compared(p_value, debiased=debiased))
    assert found.is_alarm is is_alarm
    assert found.is_significant is (p_value <= 0.01)


def test_benjamini_hochberg_is_scipys() -> None:
    random = np.random.default_rng(1)
    for _ in range(50):
        p = random.random(12) ** 3
        assert benjamini_hochberg(list(p), 0.05).tolist() == (false_discovery_control(p) <= 0.05).tolist()
    assert benjamini_hochberg([], 0.05).tolist() == []


def test_a_family_is_judged_by_its_own_level_and_columns() -> None:
    data = [compared(0.004, column="a"), compared(0.9, column="b"), compared(0.9, column="c")]
    target = [compared(0.004, column="y", family="target")]
    first, second = judge([*data, *target], levels={"data": 0.01, "target": 0.01})
    assert not first.is_alarm
    assert [one.column for one in second.alarms] == ["y"]


def test_a_family_without_a_column_is_no_alarm_and_one_without_a_level_a_fault() -> None:
    (empty,) = judge([], levels={"data": 0.01})
    assert not empty.is_alarm
    with pytest.raises(KeyError, match="target"):
        judge([compared(0.1, family="target")], levels={"data": 0.01})


def test_persisting_drift_is_tested_column_by_column() -> None:
    """A family level that a step over all columns would take as "reject everything" must not."""
    quiet = [compared(0.9, column=f"x{number}") for number in range(10)]
    persistence = Persistence(3, 3)
    (family,) = judge(quiet, levels={"data": 0.01}, persistence=persistence)
    assert not family.is_alarm
    expected = level_of_persisting(0.001, persistence, shared=shared_part(rows=100, reference_rows=900))
    assert family.columns[0].alone == pytest.approx(expected)
    (family,) = judge([compared(expected * 0.99, column="a"), *quiet[1:]], levels={"data": 0.01}, persistence=persistence)
    assert [one.column for one in family.alarms] == ["a"]


def test_fixed_thresholds_decide_by_the_shown_distance_alone() -> None:
    effect = Effect(value=0.1, expected=0.09, debiased=0.04, margin=0.02)
    watched = Watched(column="a", family="data", method="wasserstein", floor=0.1)
    at = Comparison(watched=watched, p_value=0.9, effect=effect, rows=200, reference_rows=900)
    (family,) = judge([at], levels=None)
    assert family.is_alarm
    assert (family.level, family.columns[0].p_value) == (None, None)
    assert "fixed threshold" in family.columns[0].sentence


def test_a_verdict_is_json_and_a_sentence() -> None:
    found = only(compared(0.001))
    assert json.loads(json.dumps(found.to_json()))["p_value"] == 0.001
    assert found.sentence == "a: wasserstein 0.51, 0.5 without what chance adds (floor 0.1); p = 0.001, more than chance: alarm"
    assert "smaller than the floor" in only(compared(0.001, debiased=0.01)).sentence
    assert "may be chance" in only(compared(0.5)).sentence


@pytest.mark.parametrize("p_value", [float("nan"), -0.1, 1.1])
def test_what_is_no_p_value_is_a_fault(p_value: float) -> None:
    with pytest.raises(ValueError, match="p = "):
        compared(p_value)


@pytest.mark.parametrize("floor", [float("nan"), -0.1, float("inf")])
def test_what_is_no_floor_is_a_fault(floor: float) -> None:
    with pytest.raises(ValueError, match="floor"):
        Watched(column="a", family="data", method="psi", floor=floor)


NUMBERS = Watched(column="a", family="data", method="wasserstein", floor=0.1)
LOST = Watched(column="a", family="missing", method="missing_share", floor=0.1)


def test_a_column_that_is_lost_has_no_distance_and_is_seen_as_missing() -> None:
    before, now = profiles.numeric(np.arange(500.0)), profiles.numeric(np.full(100, np.nan))
    assert compare(NUMBERS, reference=before, window=now) is None
    lost = compare_missing(LOST, reference=before, window=now)
    (family,) = judge([lost], levels={"missing": 0.005})
    assert family.is_alarm


def test_a_side_without_rows_is_a_fault() -> None:
    full, empty = profiles.numeric(np.arange(5.0)), profiles.numeric(np.empty(0))
    for sides in ({"reference": full, "window": empty}, {"reference": empty, "window": full}):
        with pytest.raises(NoData, match="no rows"):
            compare(NUMBERS, **sides)
        with pytest.raises(NoData, match="no rows"):
            compare_missing(LOST, **sides)


def test_one_row_is_compared_and_hardly_ever_an_alarm() -> None:
    before = profiles.numeric(np.random.default_rng(2).normal(size=1_000))
    found = compare(NUMBERS, reference=before, window=profiles.numeric(np.array([0.3])))
    assert found is not None
    assert found.p_value > 0.1


def test_very_large_numbers_are_compared() -> None:
    values = np.random.default_rng(3).normal(size=700)
    found = compare(NUMBERS, reference=profiles.numeric(values[:500] * 1e200), window=profiles.numeric(values[500:] * 1e200))
    plain = compare(NUMBERS, reference=profiles.numeric(values[:500]), window=profiles.numeric(values[500:]))
    assert found is not None
    assert plain is not None
    assert found.p_value == pytest.approx(plain.p_value)


def test_labels_and_texts_are_compared_too() -> None:
    watched = Watched(column="c", family="data", method="jensenshannon", floor=0.1)
    sides = [profiles.labels(pd.Series(list(text))) for text in ("ab" * 400, "aab" * 80)]
    labels = compare(watched, reference=sides[0], window=sides[1])
    text = Watched(column="t", family="data", method="abs_text_content_drift", floor=0.6)
    texts = [compare_text(text, auc, rows=200, reference_rows=2_000) for auc in (0.5, 0.7)]
    assert labels is not None
    assert labels.p_value < 1e-4
    assert texts[0].p_value == pytest.approx(0.5)
    assert not texts[0].effect.reaches(0.6)
    assert texts[1].p_value < 1e-10
    assert texts[1].effect.reaches(0.6)


def test_the_origin_says_why_time_was_not_minded() -> None:
    sides = {"reference": profiles.numeric(np.arange(50.0)), "window": profiles.numeric(np.arange(20.0))}
    found = compare(NUMBERS, **sides, note="the reference has 2 windows of 20 rows, and 3 are needed")
    assert found is not None
    assert found.basis.words == "from a test of independent rows: the reference has 2 windows of 20 rows, and 3 are needed; provisional"
    assert only(found).is_provisional


def numbers(before: np.ndarray, now: np.ndarray, *, method: str = "wasserstein", level: float = 0.01) -> ColumnVerdict:
    watched = Watched(column="a", family="data", method=method, floor=0.1)
    found = compare(watched, reference=profiles.numeric(before), window=profiles.numeric(now))
    assert found is not None
    return only(found, level)


@pytest.mark.parametrize("method", ["wasserstein", "jensenshannon", "psi"])
def test_a_heavy_tail_hides_no_change_from_the_floor(method: str) -> None:
    """One far value makes the standard deviation so large that the others never move by a tenth of it."""
    random = np.random.default_rng(11)
    before, now = np.exp(3 * random.normal(size=20_000)), np.exp(3 * random.normal(size=4_000))
    found = numbers(before, now * 3, method=method)
    assert found.debiased + found.margin < 0.1
    assert found.is_alarm
    assert found.by_ranks is not None
    assert "by ranks, which reaches the floor 0.1" in found.sentence
    assert not numbers(before, now, method=method).is_alarm


def test_a_small_unit_hides_no_change_from_the_floor() -> None:
    """Evidently's norm is at least .001, which is a hundred standard deviations here."""
    random = np.random.default_rng(12)
    assert numbers(1e-5 * random.normal(size=5_000), 1e-5 * (3 + random.normal(size=500))).is_alarm


def test_the_floor_still_holds_back_a_change_that_is_small_by_ranks_too() -> None:
    random = np.random.default_rng(13)
    found = numbers(random.normal(size=50_000), 0.05 + random.normal(size=10_000))
    assert found.is_significant
    assert not found.is_alarm


def test_heavy_tails_without_a_change_alarm_no_more_often_than_the_level() -> None:
    random = np.random.default_rng(14)
    alarms = [numbers(random.standard_cauchy(2_000), random.standard_cauchy(300), level=0.05).is_alarm for _ in range(300)]
    assert np.mean(alarms) < 0.05 + 2.33 * (0.05 * 0.95 / 300) ** 0.5
