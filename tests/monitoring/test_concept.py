"""Concept drift on matured labels: rates by simulation, dependent rows, a champion that was born bad, and rows that tell nothing."""

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm, t, ttest_1samp

from ml.monitoring import concept
from ml.monitoring.concept import Fresh, Observed, Usual, against_fresh, of_stretches, regret, usual

Array = np.ndarray[Any, Any]
KNOWN = Usual(value=0.2, error=0.01, degrees_of_freedom=math.inf, scores=1)


def observed(losses: Array, units: Array | None = None) -> Observed:
    return Observed(value=float(losses.mean()), influence=losses - losses.mean(), units=units)


def blocks(rows: int, count: int = 20) -> Array:
    return np.arange(rows) * count // rows


def dependent(random: np.random.Generator, rows: int) -> Array:
    """AR(1) of .9, variance 1."""
    noise = random.normal(size=rows)
    noise[0] /= np.sqrt(1 - 0.9**2)
    return np.asarray(lfilter([1], [1, -0.9], noise) * np.sqrt(1 - 0.9**2))


def test_regret_of_independent_rows_is_the_paired_t_test() -> None:
    random = np.random.default_rng(0)
    champion, shadow = random.normal(0.3, 1, 80), random.normal(0.1, 1, 80)
    found = regret("mae", observed(champion), observed(shadow))
    theirs = ttest_1samp(champion - shadow, 0, alternative="greater")
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.worse_by == pytest.approx((champion - shadow).mean())
    assert found.units == 80


def test_regret_in_blocks_of_time_is_the_t_test_of_the_blocks_means() -> None:
    random = np.random.default_rng(1)
    difference, codes = dependent(random, 1000) + 0.2, blocks(1000)
    found = regret("mae", observed(difference, codes), observed(np.zeros(1000)))
    theirs = ttest_1samp(difference.reshape(20, 50).mean(axis=1), 0, alternative="greater")
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.units == 20


def test_dependent_rows_raise_few_false_alarms_in_blocks_and_many_without() -> None:
    random, alarms = np.random.default_rng(2), np.zeros(2)
    for _ in range(1000):
        difference = dependent(random, 2000)
        for place, units in enumerate((blocks(2000), None)):
            alarms[place] += regret("mae", observed(difference, units), observed(np.zeros(2000))).drifted
    assert alarms[0] / 1000 < 0.08  # .058 in 20,000 trials (neighbouring blocks of AR(.9) are a little alike), and three standard errors
    assert alarms[1] / 1000 > 0.25


def test_a_champion_that_is_worse_than_its_shadow_is_found() -> None:
    random = np.random.default_rng(3)
    found = [regret("mae", observed(random.normal(0.15, 1, 1000)), observed(np.zeros(1000))).drifted for _ in range(100)]
    assert np.mean(found) > 0.95


def test_what_is_better_depends_on_the_metric() -> None:
    low, high = observed(np.random.default_rng(4).normal(0.1, 0.1, 500)), observed(np.random.default_rng(5).normal(0.3, 0.1, 500))
    assert regret("mae", high, low).drifted
    assert not regret("mae", low, high).drifted
    assert regret("accuracy", low, high).drifted
    assert not regret("accuracy", high, low).drifted


def test_a_tolerated_difference_is_no_drift() -> None:
    random = np.random.default_rng(6)
    champion, shadow = observed(random.normal(0.3, 0.1, 500)), observed(random.normal(0.2, 0.1, 500))
    assert regret("mae", champion, shadow).drifted
    assert not regret("mae", champion, shadow, tolerated=0.12).drifted


@pytest.mark.parametrize("count", [1, 3, 8], ids=["one interval", "three scores", "eight scores"])
def test_a_champion_like_fresh_models_is_rarely_called_worse(count: int) -> None:
    random, alarms = np.random.default_rng(7), 0
    for _ in range(1000):
        # Periods differ in difficulty by .02; a test of 1,000 rows adds .01.
        centre = random.normal(0.2, 0.0 if count == 1 else 0.02, count + 1)
        tested = centre[:count] + random.normal(0, 0.01, count)
        scores = [Fresh(value=float(one), low=float(one) - 0.0196, high=float(one) + 0.0196) for one in tested]
        alarms += against_fresh("mae", observed(random.normal(centre[-1], 0.316, 1000)), usual(scores)).drifted
    assert alarms / 1000 < 0.071  # 5 % and three standard errors


def test_a_window_of_one_day_is_judged_by_how_far_days_lie_apart() -> None:
    random, alarms = np.random.default_rng(12), np.zeros(2)
    for _ in range(1000):
        days = 0.5 + np.repeat(random.normal(0, 0.1, 21), 50) + random.normal(0, 0.3, 21 * 50)
        before, now = observed(days[:1000], blocks(1000)), observed(days[1000:], blocks(50, 4))
        yardstick, error = usual([concept.tested(before)]), of_stretches(before, 50)
        assert error is not None
        alarms += [against_fresh("mae", now, yardstick, level=1 / 90, error=one).drifted for one in (error, None)]
    assert alarms[0] / 1000 < 0.021  # .011 and three standard errors
    assert alarms[1] / 1000 > 0.1


@pytest.mark.parametrize("days_apart", [0.3, 0.0])
def test_a_draw_of_the_test_rows_knows_how_far_days_lie_apart(days_apart: float) -> None:
    random, alarms, errors = np.random.default_rng(14), np.zeros(2), np.zeros(2)
    for _ in range(300):
        drawn = np.repeat(random.normal(0, days_apart, 200), random.multinomial(20_000, np.full(200, 1 / 200)))
        tested = observed(drawn + random.normal(size=20_000))  # of 200,000 rows, 1,000 a day
        now = random.normal(0, days_apart) + random.normal(0, 1000**-0.5)
        for place, share in enumerate((0.1, 1.0)):
            error = of_stretches(tested, 1000, share=share)
            assert error is not None
            errors[place] += error[0] / 300
            alarms[place] += now > t.ppf(0.95, error[2]) * error[0]
    true = math.hypot(days_apart, 1000**-0.5)
    # Stretches of a draw begin somewhere within a day: a part of what lies between days is lost.
    assert 0.8 < errors[0] / true < 1.6
    assert alarms[0] / 300 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)
    if days_apart:
        assert errors[1] < true / 2, "as if ten days were one"
        assert alarms[1] / 300 > 0.2
    else:
        assert errors[0] < 0.6 * of_stretches(tested, 100)[0], "what the draw adds is taken off"  # type: ignore[index]


def test_few_stretches_tell_nothing() -> None:
    one = observed(np.random.default_rng(13).normal(size=399))
    assert of_stretches(one, 100) is None
    found = of_stretches(one, 99)
    assert found is not None
    assert found[0] == pytest.approx(np.sqrt(np.square(one.influence[3:].reshape(4, 99).mean(axis=1)).sum() / 3))
    assert found[1:] == (4, 3.0)


def test_a_champion_that_was_born_bad_is_found_though_it_never_drops() -> None:
    random = np.random.default_rng(8)
    fresh = usual([Fresh(value=value) for value in random.normal(0.2, 0.02, 8)])
    windows = [observed(random.normal(0.4, 0.3, 500), blocks(500, 6)) for _ in range(6)]
    own_first = max(one.value - windows[0].value for one in windows)
    assert own_first < 0.05
    assert all(against_fresh("mae", one, fresh).drifted for one in windows)


def test_one_bad_birth_does_not_move_what_is_usual() -> None:
    scores = [Fresh(value=value) for value in (0.2, 0.21, 0.19, 0.2, 0.9)]
    found = usual(scores)
    assert found is not None
    assert found.value == 0.2
    assert found.error < 0.05


def test_what_is_usual_is_never_surer_than_the_newest_interval() -> None:
    scores = [Fresh(value=0.2, low=0.1, high=0.3) for _ in range(6)]
    found = usual(scores)
    assert found is not None
    assert found.error == pytest.approx(0.2 / (2 * 1.959964))


@pytest.mark.parametrize("scores", [[], [Fresh(value=0.2)], [Fresh(value=math.nan)], [Fresh(value=0.2), Fresh(value=0.2)]])
def test_scores_that_tell_no_spread_are_no_yardstick(scores: list[Fresh]) -> None:
    assert usual(scores) is None
    found = against_fresh("mae", observed(np.arange(5.0)), None)
    assert not found.drifted
    assert found.p == 1
    assert found.obstacle == "nothing says what fresh models usually score"


@pytest.mark.parametrize(
    ("champion", "why"),
    [
        (Observed(value=0.2, influence=np.zeros(1)), "1 rows have a matured label"),
        (Observed(value=0.2, influence=np.zeros(0)), "0 rows have a matured label"),
        (Observed(value=0.2, influence=np.zeros(9), units=np.zeros(9, dtype=np.intp)), "all matured rows are of one block"),
        (Observed(value=math.nan, influence=np.zeros(9)), "the metric is not defined"),
        (Observed(value=0.2, influence=np.array([0.0, math.nan])), "the metric is not defined"),
    ],
)
def test_rows_that_tell_nothing_say_so(champion: Observed, why: str) -> None:
    shadow = Observed(value=0.1, influence=np.zeros(len(champion.influence)))
    for found in (against_fresh("mae", champion, KNOWN), regret("mae", champion, shadow)):
        assert found.obstacle.startswith(why)
        assert (found.p, found.drifted, found.standard_error) == (1.0, False, None)
        json.dumps(found.to_json(), allow_nan=False)


def test_units_that_all_say_the_same_are_as_certain_as_the_sign_test() -> None:
    same = Observed(value=0.3, influence=np.zeros(4))
    assert regret("mae", same, Observed(value=0.1, influence=np.zeros(4))).p == 0.5**4
    assert regret("mae", same, same).p == 1
    assert regret("mae", same, Observed(value=0.3 - 1e-18, influence=np.zeros(4))).p == 1


@pytest.mark.parametrize(("now", "drifted"), [(0.0, True), (0.5, True), (1.0, False)])
def test_a_champion_that_is_equally_right_on_all_rows_is_compared_by_the_yardsticks_error_alone(now: float, drifted: bool) -> None:
    fresh = usual([Fresh(value=0.9, low=0.88, high=0.92)])
    assert fresh is not None
    found = against_fresh("accuracy", Observed(value=now, influence=np.zeros(500)), fresh)
    assert found.drifted is drifted
    assert found.p == pytest.approx(norm.sf((0.9 - now) / fresh.error))


def test_rows_that_are_not_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows of the champion, but 4 of its shadow"):
        regret("mae", observed(np.zeros(3)), observed(np.zeros(4)))
