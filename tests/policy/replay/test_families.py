"""Each kind of policy, on signals that are written by hand."""

import numpy as np
import pytest

from ml.policy.replay import Costs, Parts, Policy, Signals, play
from ml.policy.replay import forecast as forecasts
from ml.policy.replay.families import families
from ml.policy.replay.history import LossHistory
from ml.policy.replay.yardstick import Yardstick
from tests.policy.replay.made import ageing, history, jumping


def members(past: LossHistory, name: str, cost: float = 0.2) -> tuple[Policy, ...]:
    parts = Parts.of(past, share=0.5)
    yardstick = Yardstick.of(past, start=parts.start, known=parts.known)
    return families(past, yardstick, parts, Costs(train=cost)).members[name]


def signalled(windows: int, *at: int, delay: int = 0) -> LossHistory:
    """All signals are raised in these windows for each champion."""
    flags = np.zeros((windows, windows), dtype=bool)
    flags[:, list(at)] = True
    drops = np.where(flags, 0.03, 0.0)
    signals = Signals(drift=flags, default_drift=flags, quality_drop=drops)
    return history(ageing(windows).losses, signals=signals, delay=delay)


@pytest.mark.parametrize("name", ["drift, as declared", "drift, Evidently's default"])
def test_drift_is_known_at_the_end_of_its_window_however_late_labels_come(name: str) -> None:
    for delay in (0, 2):
        [one] = members(signalled(20, 7, 12, delay=delay), name)
        assert play(signalled(20, 7, 12, delay=delay), one, start=5, end=20).retrained == (8, 13)


def test_a_drop_of_quality_waits_for_labels() -> None:
    past = signalled(20, 7, 12, delay=2)
    measured = {one.name: one for one in members(past, "quality drop")}
    assert play(past, measured["quality drop 0.02"], start=5, end=20).retrained == (10, 15)
    assert play(past, measured["quality drop 0.05"], start=5, end=20).retrained == ()


def test_what_a_former_champion_was_accused_of_does_not_count() -> None:
    past = signalled(20, 7, 8, delay=2)
    measured = {one.name: one for one in members(past, "quality drop")}
    assert play(past, measured["quality drop 0.02"], start=5, end=20).retrained == (10,)


def test_with_late_labels_a_signal_is_of_the_model_that_serves() -> None:
    """What is put into service at window 5 is model 3; model 5 serves from window 7 on."""
    flags = np.zeros((20, 20), dtype=bool)
    flags[3, 9] = flags[5, 7] = True
    past = history(ageing(20).losses, signals=Signals(drift=flags), delay=2)
    [one] = members(past, "drift, as declared")
    assert play(past, one, start=5, end=20).retrained == (10,)


def test_rows_are_counted_when_their_labels_have_come() -> None:
    rows = np.full(30, 100)
    rows[11] = 350
    past = history(ageing(30, first=2).losses, rows=rows, delay=1)
    named = {one.name: one for one in members(past, "labelled rows")}
    assert list(named) == [f"{count} labelled rows" for count in (100, 200, 400, 800, 1600)]
    assert play(past, named["400 labelled rows"], start=10, end=26).retrained == (13, 17, 21, 25)


def test_cusum_sums_up_what_the_champion_loses_beyond_its_first_window() -> None:
    past = jumping(40, at=(30,), noise=0.02)
    found = [play(past, one, start=20, end=40).retrained for one in members(past, "own loss (CUSUM)")]
    assert found[-1] == (32,)
    assert all(min(windows, default=99) >= 21 for windows in found)


def test_a_champion_that_was_born_bad_never_drops_by_cusum() -> None:
    past = jumping(40, at=(30,), noise=0.0)
    assert all(play(past, one, start=30, end=40).retrainings == 0 for one in members(past, "own loss (CUSUM)"))


def test_the_forecast_retrains_where_the_saving_pays_within_its_horizon() -> None:
    """Loss grows by 0.01 a window: a retraining at age a saves 0.01 a in each of the next 4 windows, and costs 0.2."""
    past = ageing(80, growth=0.01, noise=0.0005)
    named = {one.name: one for one in members(past, "forecast")}
    found = play(past, named["forecast of 4 windows"], start=40, end=80).retrained
    assert set(np.diff([40, *found])) <= {5, 6}
    parts = Parts.of(past, share=0.5)
    learnt = forecasts.learnt(past, Yardstick.of(past, start=0, known=40), parts, horizon=4)
    assert learnt is not None
    assert learnt.saving(40)[[45, 50]] == pytest.approx([0.05, 0.1], abs=0.005)


def test_the_forecast_is_a_ridge_regression() -> None:
    from sklearn.linear_model import Ridge

    past = ageing(40, growth=0.004, noise=0.03)
    parts = Parts.of(past, share=0.5)
    yardstick = Yardstick.of(past, start=0, known=parts.known)
    learnt = forecasts.learnt(past, yardstick, parts, horizon=4)
    assert learnt is not None
    rows, saved = [], []
    for champion in range(parts.known - 4):
        known = forecasts.facts(past, yardstick, champion=champion)
        for window in range(champion + 1, parts.known - 3):
            rows.append(known[window])
            saved.append((past.losses[champion] - past.losses[window])[window : window + 4].mean())
    features = np.array(rows)
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = Ridge(alpha=1.0).fit(standard, saved)
    assert learnt.slopes == pytest.approx(expected.coef_)
    assert learnt.level == pytest.approx(expected.intercept_)


def test_what_cannot_be_played_is_named_with_its_reason() -> None:
    past = ageing(12)
    parts = Parts.of(past, share=0.4)
    found = families(past, Yardstick.of(past, start=0, known=parts.known), parts, Costs(train=0.2))
    assert set(found.absent) == {"drift, as declared", "drift, Evidently's default", "quality drop", "forecast", "estimated quality"}
    assert not set(found.absent) & set(found.members)
    assert "too few" in found.absent["forecast"]
    assert found.absent["estimated quality"] == "quality is not estimated in a replay"
