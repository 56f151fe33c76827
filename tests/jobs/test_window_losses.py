"""The champion's losses beside shadows: whose the fresh loss is, what is carried, what was paid for, what noise is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ml.jobs import window_losses
from ml.monitoring.shadowed import Shadow
from ml.policy import Losses, Usual
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, estimates, ledger
from ml.state.records import Quality, Training, Window
from tests.state import made
from tests.state.test_ledger import NOW
from tests.training.worlds import spec_of

USUAL = Usual(metric="accuracy", value=0.9, models=5, spread=0.004)


def shadow(worse_by: float | None, *, before: int = 1, fits: int = 1) -> Shadow:
    value = None if worse_by is None else 0.8 + worse_by
    return Shadow(
        metric="accuracy", judged_before=before, rows=500, learnt_rows=900, champion=0.8, value=value, worse_by=worse_by, fits=fits
    )


def declared(every: int | None = 2) -> ModelSpec:
    return spec_of(
        model="m",
        promotion={"metric": "accuracy"},
        retraining={"cost": {"train": 0.1}, "regret": {"shadow_windows": every}},
    )


def judged(state: State, *found: Shadow | None, champion: int = 1) -> Window:
    """The newest of windows in which the champion's accuracy was .8, with these shadows."""
    newest = None
    for one in found:
        last = ledger.last_window(state, "m")
        start = 0 if last is None else last.end_version
        newest = made.opened(state, declared(), start, as_of=NOW + timedelta(days=start), rows=500, champion=champion)
        qualities = [Quality(metric="accuracy", value=0.8, rows=500)]
        made.measured(state, newest, qualities=qualities, labelled_rows=500)
        if one is not None:
            estimates.keep_shadow(state, newest.id, one.to_json())
    assert newest is not None
    return newest


def trained(version: int = 1, *, days: float = -1) -> Training:
    said = made.VERDICT | {"candidate": "logistic", "metric": "accuracy", "challenger": {"accuracy": 0.9}, "baseline": {}}
    return made.training(key=f"run{version}", as_of=NOW + timedelta(days=days), version=version, verdict=said)


def losses(state: State, window: Window, *, spec: ModelSpec | None = None, training: Training | None = None) -> Losses:
    found, why = window_losses.losses(
        state, window, spec=spec or declared(), trained=training or trained(), last=training or trained(), found=USUAL
    )
    assert found is not None, why
    return found


def test_a_shadows_loss_is_the_fresh_one_and_its_regret_is_carried_until_the_next(settings: Settings) -> None:
    state = State.open(settings)
    window = judged(state, None, shadow(0.05), None, shadow(None), shadow(-0.01), None)
    found = losses(state, window)
    assert [one.against for one in found.windows] == ["usual", "shadow", "carried", "carried", "shadow", "carried"]
    assert found.regrets == pytest.approx((0.1, 0.05, 0.05, 0.05, -0.01, -0.01))
    assert found.against == "a shadow in 2 of them, whose regret is carried to 3, else the usual accuracy of 5 fresh models"
    assert (found.shadow_fits, found.noise) == (3, 0.004), "one that failed was paid for; two say nothing of noise"
    assert window_losses.losses(state, replace(window, number=2), spec=declared(), trained=trained(), last=trained(), found=USUAL)[
        0
    ] == replace(
        found, windows=found.windows[:2], shadow_fits=1, against="a shadow in 1 of them, else the usual accuracy of 5 fresh models"
    )


def test_without_shadow_windows_shadows_of_before_count_no_more(settings: Settings) -> None:
    state = State.open(settings)
    found = losses(state, judged(state, shadow(0.05)), spec=declared(None))
    assert (found.windows[0].against, found.shadow_fits) == ("usual", 0)
    assert found.against == "the usual accuracy of 5 fresh models"


def test_shadows_of_before_the_last_training_are_neither_carried_nor_paid_again(settings: Settings) -> None:
    state = State.open(settings)
    window = judged(state, shadow(0.05), shadow(0.05), None)
    found = losses(state, window, training=trained(days=1.5))
    assert ([one.against for one in found.windows], found.shadow_fits) == (["usual"], 0)


def test_noise_is_how_far_the_regrets_of_shadows_lie_from_each_other_once_there_are_three(settings: Settings) -> None:
    state = State.open(settings)
    judged(state, shadow(0.02), shadow(0.2), champion=1)
    window = judged(state, shadow(0.0, fits=0), shadow(0.06), champion=2)
    found = losses(state, window, training=trained(2, days=1.5))
    assert found.noise == pytest.approx(0.04), "the median distance from .06 of .02, .06 and .2; what was never fitted says nothing"
    assert found.regrets == pytest.approx((0.0, 0.06))
    assert (found.shadow_fits, found.against) == (1, "a shadow")
