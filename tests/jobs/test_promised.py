"""What a window's promise is: the level of a look from the schedule or from the past, and the earlier looks of the same champion."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from ml.jobs import promised
from ml.monitoring.alarms.own_windows import NO_TIME
from ml.monitoring.drift import Pin, profile_of
from ml.monitoring.looks import look
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State
from ml.state.records import Drift, Window
from tests.state.made import declared, measured, opened

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def spec(schedule: str | None = "@hourly", **monitoring: object) -> ModelSpec:
    return declared(
        model="m",
        task="binary",
        positive="1",
        features={"numeric": ["a"]},
        monitoring={"schedule": schedule, "false_alarms": "2 per 10d"} | monitoring,
        retraining={"drift_windows": "2 of 3"},
    )


def window(state: State, number: int, *, champion: int, alarm: bool | None) -> Window:
    """A measured window, six hours after the one before; `alarm` None: judged by fixed thresholds."""
    made = opened(state, spec(), number, as_of=NOW + timedelta(hours=6 * number), champion=champion)
    also = [{"family": "data quality", "method": "missing_share", "is_alarm": False}]
    verdict = None if alarm is None else {"family": "data", "method": "wasserstein", "is_alarm": alarm, "also": also}
    drift = Drift(column="a", kind="numeric", method="wasserstein", value=1.0, threshold=0.1, drifted=True, verdict=verdict)
    return measured(state, made, drifts=[drift])


def test_without_a_promise_there_is_none(settings: Settings) -> None:
    state = State.open(settings)
    assert promised.of(state, window(state, 0, champion=1, alarm=None), spec(false_alarms=None)) is None


def test_only_earlier_looks_of_the_same_champion_under_a_promise_count(settings: Settings) -> None:
    state = State.open(settings)
    made = [
        window(state, number, champion=1 + (number > 1), alarm=said) for number, said in enumerate([True, True, None, True, False, True])
    ]
    distance, missing = ("a", "data", "distance"), ("a", "data quality", "missing_share")
    found = promised.of(state, made[4], spec())
    assert found is not None
    assert list(found.earlier) == [{distance: True, missing: False}, {}], "the look by fixed thresholds tells nothing"
    assert (found.persistence.windows, found.persistence.of) == (2, 3)
    first = promised.of(state, made[2], spec())
    assert first is not None
    assert first.earlier == ()


@pytest.mark.parametrize(("schedule", "between"), [("@hourly", timedelta(hours=1)), (None, timedelta(hours=6))])
def test_looks_come_by_the_schedule_or_as_they_came(settings: Settings, schedule: str | None, between: timedelta) -> None:
    state = State.open(settings)
    made = [window(state, number, champion=1, alarm=True) for number in range(3)]
    found = promised.of(state, made[-1], spec(schedule))
    assert found is not None
    assert found.between == between


def test_concept_drift_takes_its_share_of_the_promise(settings: Settings) -> None:
    state, values = State.open(settings), pd.Series(range(50), dtype=float)
    found = promised.of(state, window(state, 0, champion=1, alarm=None), spec("@daily", false_alarms="1 per 90d"))
    assert found is not None
    pin = Pin("a", "numeric", "numeric", "wasserstein", 0.1)
    side = profile_of(pin, values)
    looks = [look(pin, reference=side, window=side, own=NO_TIME)]
    (alone, said), (shared, told) = found.judged(looks), found.with_quality().judged(looks)
    assert promised.level_beside(alone) == pytest.approx(1 / 90 / 2)
    assert promised.level_beside(shared) == pytest.approx(1 / 90 / 3)
    assert ("concept drift" in said, "concept drift" in told) == (False, True)
    assert promised.level_beside([replace(alone[0], verdict=None)]) is None
