"""The size of a drift without what chance adds: against enumeration, permutations and bootstraps."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from ml.monitoring import profiles
from ml.monitoring.alarms import cells, effects
from ml.monitoring.alarms.effects import Effect
from ml.monitoring.profiles import LabelProfile, NumericProfile

Profile = NumericProfile | LabelProfile


def profile(values: np.ndarray, method: str) -> Profile:
    return profiles.labels(pd.Series(values.astype(int).astype(str))) if method.startswith("labels") else profiles.numeric(values)


def measured(method: str, reference: np.ndarray, window: np.ndarray) -> Effect:
    before, now, name = profile(reference, method), profile(window, method), method.rsplit(maxsplit=1)[-1]
    if isinstance(before, NumericProfile) and isinstance(now, NumericProfile):
        return effects.numbers(name, before, now)
    return effects.table(name, before, now)


@pytest.mark.parametrize(("rows", "n"), [(40, 39), (50, 20), (300, 7), (1_000, 500)])
def test_the_mean_deviation_of_dealt_rows_is_that_of_their_distribution(rows: int, n: int) -> None:
    marked = np.array([0, 1, 2, 7, rows // 2, rows - 1, rows])
    expected = [sum(abs(x - n * k / rows) * hypergeom.pmf(x, rows, k, n) for x in range(min(n, k) + 1)) for k in marked]
    assert effects.mean_deviation(marked, n, rows) == pytest.approx(expected, rel=1e-9, abs=1e-9)


METHODS = ("wasserstein", "jensenshannon", "psi", "labels jensenshannon", "labels psi", "labels TVD")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["normal", "heavy"])
def test_the_expected_distance_is_the_mean_over_permutations(method: str, kind: str) -> None:
    random = np.random.default_rng(1)
    draw = random.normal if kind == "normal" else random.standard_exponential
    both = np.round(10 * draw(size=1_100) ** (1 if kind == "normal" else 2), 0 if method.startswith("labels") else 3)
    dealt = []
    for _ in range(300):
        random.shuffle(both)
        dealt.append(measured(method, both[:1_000], both[1_000:]).value)
    square = method.endswith("jensenshannon")  # its expected value is the root of the mean divergence
    mean = np.sqrt(np.mean(np.square(dealt))) if square else np.mean(dealt)
    assert measured(method, both[:1_000], both[1_000:]).expected == pytest.approx(mean, rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_the_margin_covers_the_spread_of_a_real_change(method: str) -> None:
    random = np.random.default_rng(2)
    if method.startswith("labels"):
        found = [measured(method, random.poisson(3, 3_000), random.poisson(4, 600)) for _ in range(150)]
    else:
        found = [measured(method, random.normal(size=3_000), 0.5 + random.normal(size=600)) for _ in range(150)]
    error = float(np.mean([one.margin for one in found])) / effects.MARGIN_ERRORS
    assert error == pytest.approx(np.std([one.value for one in found]), rel=0.25)


def test_a_large_shift_keeps_its_size_and_none_becomes_small() -> None:
    random = np.random.default_rng(3)
    shifted = [measured("wasserstein", random.normal(size=10_000), random.normal(size=10_000) + 0.1) for _ in range(30)]
    assert np.mean([one.debiased for one in shifted]) == pytest.approx(0.1, abs=0.01)
    same = [measured("wasserstein", random.normal(size=10_000), random.normal(size=200)) for _ in range(100)]
    assert np.mean([one.value for one in same]) > 0.08
    assert np.mean([one.debiased for one in same]) < 0.05


def test_a_floor_holds_back_what_is_shown_to_be_smaller() -> None:
    random = np.random.default_rng(4)
    for shift, expected in ((0.05, 0.0), (0.1, 1.0)):
        found = [measured("wasserstein", random.normal(size=10_000), random.normal(size=10_000) + shift) for _ in range(40)]
        assert np.mean([one.reaches(0.1) for one in found]) == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize(("debiased", "reaches"), [(0.0799, False), (0.08, True), (0.0801, True), (0.5, True)])
def test_an_effect_reaches_the_floor_at_its_upper_bound(debiased: float, reaches: bool) -> None:
    assert Effect(value=1, expected=0, debiased=debiased, margin=0.02).reaches(0.1) is reaches


def test_missing_values_have_a_size_too() -> None:
    before, now = profiles.numeric(np.array([1.0] * 90 + [np.nan] * 10)), profiles.numeric(np.array([1.0] * 30 + [np.nan] * 20))
    found = effects.missing(cells.of_missing(before, now))
    assert found.value == pytest.approx(0.3)
    assert 0 < found.expected < 0.08
    assert found.debiased < found.value


def test_dependence_makes_chance_larger() -> None:
    independent = effects.effect("wasserstein", value=0.3, expected=0.09, error=0.05)
    inflated = effects.inflated("wasserstein", independent, 4.0)
    assert inflated.expected == pytest.approx(0.18)
    assert inflated.margin == pytest.approx(2 * independent.margin)
    assert effects.inflated("psi", effects.effect("psi", value=0.3, expected=0.02, error=0.05), 4.0).expected == pytest.approx(0.08)


def test_bins_that_are_empty_on_both_sides_count_in_psi_as_they_are_shown() -> None:
    """Beyond 10,000 rows the sides fill empty bins with different shares."""
    random = np.random.default_rng(5)
    both = np.concatenate((random.normal(size=13_000), [40.0]))
    dealt = []
    for _ in range(100):
        random.shuffle(both)
        dealt.append(measured("psi", both[:12_000], both[12_000:]))
    assert np.mean([one.expected for one in dealt]) == pytest.approx(np.mean([one.value for one in dealt]), rel=0.15)


@pytest.mark.parametrize("change", [lambda x: x + 0.3, lambda x: x * 1.5])
def test_by_ranks_normal_data_has_the_same_effect_and_any_growing_function_of_it_too(change) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(6)
    before, now = random.normal(size=20_000), change(random.normal(size=2_000))
    shown = measured("wasserstein", before, now).debiased
    for grown in (before, now), (np.exp(5 * before), np.exp(5 * now)), (1e-6 * before, 1e-6 * now):
        both = cells.of_numbers(*(profiles.numeric(side) for side in grown))
        assert effects.of_ranks("wasserstein", both).debiased == pytest.approx(shown, rel=0.1)


def test_by_ranks_the_margin_covers_the_spread_and_the_mean_without_change_is_known() -> None:
    random = np.random.default_rng(7)

    def by_ranks(shift: float) -> Effect:
        sides = (random.standard_cauchy(size=3_000), shift + random.standard_cauchy(size=600))
        return effects.of_ranks("wasserstein", cells.of_numbers(*(profiles.numeric(side) for side in sides)))

    moved, same = [by_ranks(0.5) for _ in range(100)], [by_ranks(0.0) for _ in range(100)]
    error = float(np.mean([one.margin for one in moved])) / effects.MARGIN_ERRORS
    assert error == pytest.approx(np.std([one.value for one in moved]), rel=0.25)
    assert np.mean([one.expected for one in same]) == pytest.approx(np.mean([one.value for one in same]), rel=0.1)
