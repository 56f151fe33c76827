"""A promised rate becomes a level; persistence loosens it by no more than the shared reference allows."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import binom

from ml.monitoring import profiles
from ml.monitoring.alarms import cells, promise, twosample
from ml.monitoring.alarms.persistence import level_of_persisting, persisted_rate, shared_part
from ml.spec import Monitoring, Persistence, Rate


def read(text: Any) -> Rate | None:
    return Monitoring.model_validate({"false_alarms": text}).false_alarms


def test_a_rate_is_read_and_written_as_text() -> None:
    found = read("1 per 90d")
    assert found == Rate(count=1, period=timedelta(days=90))
    assert str(read("2 per 4w")) == "2 per 4w"
    monitoring = Monitoring.model_validate({"false_alarms": "1 per 90d"})
    assert monitoring.model_dump(mode="json")["false_alarms"] == "1 per 90d"
    assert Monitoring.model_validate(monitoring.model_dump(mode="json")) == monitoring


def test_without_a_promise_fixed_thresholds_stay() -> None:
    assert read(None) is None
    assert Monitoring().false_alarms is None


@pytest.mark.parametrize("text", ["often", "1", "1 per 90", "0 per 9d", "-1 per 9d", "1.5 per 9d", "1 per 2y", 3, ["1 per 90d"]])
def test_other_rates_are_refused_with_an_example(text: Any) -> None:
    with pytest.raises(ValidationError, match="1 per 90d"):
        read(text)


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        read("1 per 0d")


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("@daily", 1),
        ("@hourly", 1 / 24),
        ("@weekly", 7),
        ("0 6 * * 1-5", 7 / 5),
        ("*/5 * * * *", 1 / 288),
        ("@monthly", 30.44),
        ("@yearly", 365),
    ],
)
def test_a_schedule_says_how_far_looks_lie_apart(schedule: str, days: float) -> None:
    assert promise.time_between_looks(schedule) / timedelta(days=1) == pytest.approx(days, rel=0.01)


def test_without_a_schedule_looks_are_as_far_apart_as_they_were_or_a_day() -> None:
    assert promise.time_between_looks(None) == timedelta(days=1)
    seen = [timedelta(hours=3), timedelta(0), timedelta(hours=5), timedelta(days=9)]
    assert promise.time_between_looks(None, seen=seen) == timedelta(hours=5)
    assert promise.time_between_looks("@daily", seen=seen) == timedelta(days=1)


def test_a_level_is_alarms_by_looks_and_never_loose() -> None:
    rate = Rate(count=1, period=timedelta(days=90))
    assert promise.level_of_a_look(rate, timedelta(days=1)) == pytest.approx(1 / 90)
    assert promise.level_of_a_look(rate, timedelta(hours=1)) == pytest.approx(1 / 2160)
    assert promise.level_of_a_look(rate, timedelta(days=30)) == promise.HIGHEST_LEVEL
    assert promise.level_of_a_look(rate, timedelta(days=400)) == promise.HIGHEST_LEVEL


def test_kinds_of_drift_share_the_level() -> None:
    assert promise.split(0.01, ["data", "target", "data"]) == {"data": 0.005, "target": 0.005}
    said = promise.sentence(Rate(count=1, period=timedelta(days=90)), timedelta(days=1), ["data", "target"])
    assert "1 per 90d" in said
    assert "90 looks" in said
    assert "0.011" in said


@pytest.mark.parametrize(("k", "n"), [(1, 3), (2, 3), (3, 5), (2, 2)])
def test_independent_looks_persist_as_the_binomial_says(k: int, n: int) -> None:
    assert persisted_rate(0.03, Persistence(k, n), shared=0.0) == pytest.approx(binom.sf(k - 1, n, 0.03))
    level = level_of_persisting(0.001, Persistence(k, n))
    assert binom.sf(k - 1, n, level) == pytest.approx(0.001, rel=1e-6)


def test_one_look_alone_changes_nothing_and_a_shared_reference_costs() -> None:
    assert level_of_persisting(0.001, Persistence(1, 1), shared=0.5) == 0.001
    free, bound = (level_of_persisting(0.001, Persistence(2, 3), shared=shared) for shared in (0.0, 0.5))
    assert 0.001 < bound < free
    assert persisted_rate(0.01, Persistence(1, 1), shared=0.5) == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize(("k", "n"), [(0, 3), (4, 3)])
def test_impossible_persistence_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="cannot persist"):
        Persistence(k, n)


def test_only_the_latest_looks_count() -> None:
    two = Persistence(2, 3)
    assert two.holds([False, True, False, True])
    assert not two.holds([True, True, False, False, True])


def test_persisting_alarms_on_one_reference_come_as_often_as_promised() -> None:
    """As if looks were independent, they would come three times as often."""
    random, persistence, rows, target = np.random.default_rng(8), Persistence(2, 3), 300, 0.02
    shared = shared_part(rows=rows, reference_rows=rows)
    levels = {"mine": level_of_persisting(target, persistence, shared=shared), "naive": level_of_persisting(target, persistence)}
    hits: dict[str, list[bool]] = {"mine": [], "naive": []}
    for _ in range(250):
        reference = profiles.numeric(random.normal(size=rows))
        p = [twosample.numbers(cells.of_numbers(reference, profiles.numeric(random.normal(size=rows)))) for _ in range(6)]
        for name, level in levels.items():
            alarms = [one <= level for one in p]
            hits[name] += [persistence.holds(alarms[:last]) for last in range(3, 7)]
    assert np.mean(hits["mine"]) < 2 * target
    assert np.mean(hits["naive"]) > 1.5 * target


def test_a_calibration_from_few_windows_is_shared_by_all_looks() -> None:
    assert shared_part(rows=100, reference_rows=900) == pytest.approx(0.1)
    assert shared_part(rows=100, reference_rows=900, windows=9) == pytest.approx(0.2)
