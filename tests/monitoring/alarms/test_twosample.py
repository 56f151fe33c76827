"""P-values from profiles: known answers, reference implementations, and their error rates."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.special import comb
from scipy.stats import binomtest, chi2_contingency, fisher_exact, hypergeom, ks_2samp, kstwo, mannwhitneyu, norm, permutation_test

from ml.monitoring import profiles
from ml.monitoring.alarms import among, cells, permutation, twosample, windows
from ml.monitoring.alarms.cells import Cells
from ml.monitoring.profiles import Counts


def of_numbers(reference: np.ndarray, window: np.ndarray) -> Cells:
    return cells.of_numbers(profiles.numeric(reference), profiles.numeric(window))


def of_labels(reference: list[str], window: list[str]) -> Cells:
    return cells.of_labels(profiles.labels(pd.Series(reference)), profiles.labels(pd.Series(window)))


def table(reference: Sequence[int] | Counts, window: Sequence[int] | Counts) -> Cells:
    return Cells(np.array(reference), np.array(window), np.empty(0))


@pytest.mark.parametrize("shift", [0.3, 0.7, 1.1, -0.9])
def test_the_tail_of_a_score_is_that_of_all_permutations(shift: float) -> None:
    random = np.random.default_rng(1)
    reference, window = np.round(random.exponential(size=60), 1), np.round(random.exponential(size=12) + shift, 1)
    both = of_numbers(reference, window)
    scores = twosample.normal_scores(both.both)
    mine = dict(zip(both.values, scores, strict=True))
    said = [np.array([mine[value] for value in side]) for side in (window, reference)]
    dealt = permutation_test(said, lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=40_000, vectorized=True, rng=2)
    found = permutation.score_test(scores, both.both, both.window)
    assert found == pytest.approx(dealt.pvalue, rel=0.12, abs=0.0006)


def test_far_tails_keep_their_relative_size_where_a_normal_tail_does_not() -> None:
    """All of a window's 6 rows stand on the top: one deal of C(106, 6) does that."""
    scores, both = np.arange(106.0), np.ones(106, dtype=np.int64)
    window = np.zeros(106, dtype=np.int64)
    window[[99, 101, 102, 103, 104, 105]] = 1
    exact = 2 * 2 / comb(106, 6)  # this deal, and the one of the six highest
    found = permutation.score_test(scores, both, window)
    z = (window @ scores - 6 * scores.mean()) / np.sqrt(6 * 100 / 105 * scores.var())
    assert exact / 2 < found < exact * 2
    assert 2 * norm.sf(z) > 100 * exact


def test_two_cells_are_fishers_exact_test() -> None:
    for found, marked, n, rows in ((9, 20, 30, 200), (0, 5, 40, 100), (17, 40, 50, 300)):
        of = hypergeom(rows, marked, n)
        assert permutation.two_cells(found, marked, n, rows) == pytest.approx(min(1, 2 * min(of.cdf(found), of.sf(found - 1))))
        one_sided = [
            fisher_exact([[found, marked - found], [n - found, rows - n - marked + found]], side).pvalue for side in ("less", "greater")
        ]
        assert permutation.two_cells(found, marked, n, rows) == pytest.approx(min(1, 2 * min(one_sided)))


def test_two_cells_of_many_rows_agree_with_the_exact_tail() -> None:
    of = hypergeom(300_000, 30_000, 50_000)
    assert permutation.two_cells(5_250, 30_000, 50_000, 300_000) == pytest.approx(2 * of.sf(5_249), rel=0.05)


@pytest.mark.parametrize(("n", "m"), [(30, 50), (200, 150), (500, 5_000)])
def test_kolmogorov_smirnov_is_scipys(n: int, m: int) -> None:
    random = np.random.default_rng(3)
    window, reference = random.normal(size=n) + 0.2, random.normal(size=m)
    found = twosample.kolmogorov_smirnov(of_numbers(reference, window))
    assert found == pytest.approx(ks_2samp(window, reference, method="exact").pvalue, rel=0.05)


@pytest.mark.parametrize("shift", [0.01, 0.02, 0.04])
def test_of_many_rows_kolmogorov_smirnov_is_a_little_more_careful_than_scipys(shift: float) -> None:
    random = np.random.default_rng(4)
    window, reference = np.round(random.normal(size=30_000), 3) + shift, np.round(random.normal(size=60_000), 3)
    found = twosample.kolmogorov_smirnov(of_numbers(reference, window))
    exact = kstwo.sf(ks_2samp(window, reference, method="asymp").statistic, 20_000)
    assert exact < found < 1.02 * exact


def test_the_ratio_of_likelihoods_is_scipys_with_williams_correction() -> None:
    sides = table([400, 300, 200, 100], [50, 20, 25, 5])
    g = chi2_contingency([sides.reference, sides.window], correction=False, lambda_="log-likelihood").statistic
    n, rows = 100, 1_100
    williams = 1 + (rows / n + rows / 1_000 - 1) * (rows * np.sum(1 / sides.both) - 1) / (6 * rows * 3)
    assert twosample.likelihood_ratio(sides) == pytest.approx(g / williams)


def test_an_auc_of_chance_has_mann_whitneys_tail() -> None:
    random = np.random.default_rng(4)
    reference, window = random.normal(size=400), random.normal(size=60) + 0.3
    expected = mannwhitneyu(window, reference, alternative="greater", method="asymptotic", use_continuity=False)
    auc = expected.statistic / (400 * 60)
    assert twosample.text(auc, window_rows=60, reference_rows=400) == pytest.approx(expected.pvalue)
    assert twosample.text(0.5, window_rows=60, reference_rows=400) == pytest.approx(0.5)


DRAWS = {
    "normal": lambda random, rows: random.normal(size=rows),
    "heavy tails": lambda random, rows: random.standard_cauchy(size=rows),
    "rare counts": lambda random, rows: random.poisson(0.08, size=rows).astype(float),
    "few values": lambda random, rows: random.integers(0, 5, size=rows).astype(float),
}


@pytest.mark.parametrize("kind", sorted(DRAWS))
def test_numbers_without_drift_are_significant_as_often_as_the_level_says(kind: str) -> None:
    random, trials, level = np.random.default_rng([5, len(kind)]), 600, 0.05
    found = [twosample.numbers(of_numbers(DRAWS[kind](random, 1_000), DRAWS[kind](random, 150))) for _ in range(trials)]
    hits = int(np.sum(np.array(found) <= level))
    assert binomtest(hits, trials, level, alternative="greater").pvalue > 0.001
    assert hits > trials * level / 4


@pytest.mark.parametrize("labels", [2, 6, 300])
def test_labels_without_drift_are_significant_as_often_as_the_level_says(labels: int) -> None:
    random, trials, level = np.random.default_rng([6, labels]), 600, 0.05
    shares = random.dirichlet(np.full(labels, 0.5 if labels > 2 else 5))
    found = [twosample.labels(table(list(random.multinomial(1_000, shares)), list(random.multinomial(150, shares)))) for _ in range(trials)]
    hits = int(np.sum(np.array(found) <= level))
    assert binomtest(hits, trials, level, alternative="greater").pvalue > 0.001
    assert hits > trials * level / 6


def test_normal_scores_find_a_shift_that_kolmogorov_smirnov_overlooks() -> None:
    random, trials = np.random.default_rng(7), 200
    sides = [of_numbers(random.normal(size=10_000), random.normal(size=200) + 0.3) for _ in range(trials)]
    assert np.mean([twosample.numbers(side) <= 0.001 for side in sides]) > 0.72
    assert np.mean([twosample.kolmogorov_smirnov(side) <= 0.001 for side in sides]) < 0.7


def test_a_wider_spread_and_a_spike_in_the_middle_are_found() -> None:
    random = np.random.default_rng(8)
    reference = random.normal(size=5_000)
    assert twosample.numbers(of_numbers(reference, 1.5 * random.normal(size=300))) < 1e-6
    spiked = np.where(random.random(1_000) < 0.3, 0.0, random.normal(size=1_000))
    assert twosample.numbers(of_numbers(reference, spiked)) < 1e-6


def test_unseen_labels_count_though_each_is_rare() -> None:
    reference = ["a", "b"] * 500
    new = [f"new {number}" for number in range(20)]
    assert twosample.labels(of_labels(reference, ["a", "b"] * 90 + new)) < 1e-6
    assert twosample.labels(of_labels(reference, ["a", "b"] * 100)) == 1


def test_what_cannot_differ_has_p_value_one() -> None:
    assert twosample.numbers(of_numbers(np.ones(50), np.ones(20))) == 1
    assert twosample.labels(of_labels(["a"] * 50, ["a"] * 20)) == 1
    assert twosample.labels(table([0, 50], [0, 20])) == 1
    assert twosample.labels(table([1] * 500, [0] * 400 + [1] * 100)) == 1


def test_numbers_that_were_constant_and_moved_are_found() -> None:
    assert twosample.numbers(of_numbers(np.ones(500), np.full(20, 2.0))) < 1e-9


def test_thousands_of_values_share_cells_and_lose_next_to_nothing() -> None:
    random = np.random.default_rng(9)
    reference, window = random.standard_cauchy(40_000), random.standard_cauchy(30_000) + 0.03
    few = of_numbers(reference, window)
    values, places = np.unique(np.concatenate((reference, window)), return_inverse=True)
    counts = [np.bincount(part, minlength=len(values)) for part in (places[:40_000], places[40_000:])]
    assert len(few.both) < 9_000
    assert few.sizes == (30_000, 40_000)
    assert twosample.numbers(few) == pytest.approx(twosample.numbers(Cells(counts[0], counts[1], values)), rel=0.02)


def test_tied_rows_have_the_normal_quantile_of_their_mean_rank() -> None:
    assert twosample.normal_scores(np.array([2, 3, 1])) == pytest.approx(norm.ppf(np.array([1.5, 4, 6]) / 7))


def test_a_spread_wider_by_two_fifths_is_found_in_few_rows() -> None:
    random, trials = np.random.default_rng(10), 60
    found = [twosample.numbers(of_numbers(random.normal(size=5_000), 1.4 * random.normal(size=200))) <= 0.001 for _ in range(trials)]
    assert np.mean(found) > 0.9


@pytest.mark.parametrize("reference_rows", [1_000_000, 300_000, 100_000])
@pytest.mark.parametrize("others", [10, 20])
def test_one_rare_value_in_a_window_is_as_likely_as_dealing_it_there(reference_rows: int, others: int) -> None:
    reference = [reference_rows - others, *[1] * others, 0]
    both = table(reference, [199, *[0] * others, 1])
    exact = float(hypergeom(reference_rows + 200, others + 1, 200).sf(0))
    scores = twosample.normal_scores(both.both)
    assert permutation.score_test(scores, both.both, both.window) == pytest.approx(2 * exact)
    assert permutation.score_test(scores**2, both.both, both.window) >= exact
    assert exact <= twosample.numbers(both) < 3 * exact


def test_a_sum_at_or_near_the_end_of_what_is_possible_has_the_chance_of_its_deals() -> None:
    both = table([1] * 4_000 + [0] * 40, [0] * 4_000 + [1] * 40)
    scores = np.arange(4_040.0) ** 2
    assert permutation.score_test(scores, both.both, both.window) == pytest.approx(2 / comb(4_040, 40))
    one_less = both.window.copy()
    one_less[[3_999, 4_000]] = 1, 0
    assert 4 / comb(4_040, 40) / 2 < permutation.score_test(scores, both.both, one_less) < 4 / comb(4_040, 40) * 100


@pytest.mark.parametrize(("share", "rows", "reference_rows"), [(0.002, 200, 10_000), (0.01, 200, 10_000)])
@pytest.mark.parametrize("amounts", ["different", "equal", "of both signs"])
def test_rare_values_without_drift_alarm_no_more_often_than_the_level_says(
    share: float, rows: int, reference_rows: int, amounts: str
) -> None:
    random, trials = np.random.default_rng([11, rows, len(amounts)]), 500

    def drawn(size: int) -> np.ndarray:
        drawn = {
            "different": random.exponential(size=size),
            "equal": random.integers(1, 3, size),
            "of both signs": random.normal(size=size),
        }
        return np.where(random.random(size) < share, drawn[amounts], 0.0)

    found = np.array([twosample.numbers(of_numbers(drawn(reference_rows), drawn(rows))) for _ in range(trials)])
    for level in (0.05, 0.01):
        assert binomtest(int(np.sum(found <= level)), trials, level, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize(("rows", "level"), [(300_000, 0.003), (100_000, 0.011)])
def test_ten_other_values_in_as_many_rows_alarm_no_more_often_than_the_level_says(rows: int, level: float) -> None:
    random, trials, others = np.random.default_rng([15, rows]), 3_000, 10
    both = np.array([rows - others, *[1] * others])
    scores = twosample.normal_scores(both)
    windows = random.multivariate_hypergeometric(both, 200, size=trials)
    found = np.array([permutation.score_test(scores, both, window) for window in windows])
    assert binomtest(int(np.sum(found <= level)), trials, level, alternative="greater").pvalue > 0.01


def test_rare_values_that_come_are_found_and_so_are_those_that_go() -> None:
    random = np.random.default_rng(12)
    reference = np.where(random.random(20_000) < 0.05, random.exponential(size=20_000), 0.0)
    assert twosample.numbers(of_numbers(reference, np.where(np.arange(200) < 40, 1.0 + np.arange(200), 0.0))) < 1e-9
    assert twosample.numbers(of_numbers(reference, np.zeros(200))) < 1e-3


def test_a_thousand_labels_and_one_that_nobody_knows_are_told_apart() -> None:
    both = table([10] * 1_000 + [0], [0] * 1_000 + [200])
    assert twosample.labels(both) < 1e-100
    found, freedom = windows.table_test(both)
    assert freedom == 1
    assert found > 100


@pytest.mark.parametrize("window", [[4] * 50, [1] * 200], ids=["four rows each", "one row each"])
def test_many_unseen_labels_that_are_all_rare_are_found(window: list[int]) -> None:
    assert twosample.labels(table([10] * 1_000 + [0] * len(window), [0] * 1_000 + window)) < 1e-50


def test_rows_that_gather_on_a_few_of_a_thousand_labels_are_found_and_rows_that_spread_evenly_are_not() -> None:
    assert twosample.labels(table([10] * 1_000, [4] * 50 + [0] * 950)) < 1e-9
    assert twosample.labels(table([10] * 1_000, [1] * 200 + [0] * 800)) == 1
    assert twosample.labels(table([5_000, 5_000, *[5] * 1_000, 0], [75, 75, *[0] * 1_000, 50])) < 1e-9


def test_a_single_rare_label_has_no_less_than_fishers_chance_for_each_label() -> None:
    both = table([10] * 1_000, [10] + [1] * 190 + [0] * 809)
    exact = float(hypergeom(10_200, 20, 200).sf(9)) * 1_000
    assert 2 * exact <= twosample.labels(both) < 2.2 * exact


@pytest.mark.parametrize("kind", ["even", "a few common", "almost all once"])
def test_a_thousand_labels_without_drift_alarm_no_more_often_than_the_level_says(kind: str) -> None:
    random, trials = np.random.default_rng([13, len(kind)]), 400
    count = 40_000 if kind == "almost all once" else 1_000
    shares = 1 / np.arange(1, count + 1) if kind == "a few common" else np.ones(count)
    shares /= shares.sum()
    found, tests = [], []
    for _ in range(trials):
        both = table(random.multinomial(10_000, shares), random.multinomial(200, shares))
        found.append(twosample.labels(both))
        tests.append(windows.table_test(both))
    hits = np.array(found)
    for level in (0.05, 0.01):
        assert binomtest(int(np.sum(hits <= level)), trials, level, alternative="greater").pvalue > 0.01
    assert np.mean([g / freedom for g, freedom in tests]) == pytest.approx(1, abs=0.15)
    assert np.mean(hits < 0.2) > 0.04


@pytest.mark.parametrize(("both", "size"), [((10, 10, 10), 8), ((2, 3, 4, 5, 6), 5), ((1, 1, 1, 1, 2, 2, 2, 9), 4)])
def test_of_few_labels_the_tail_is_never_below_that_of_all_deals(both: tuple[int, ...], size: int) -> None:
    rows, pooled = sum(both), np.array(both)
    deals = [np.array(deal) for deal in product(*(range(min(one, size) + 1) for one in both)) if sum(deal) == size]
    tables = [Cells(pooled - deal, deal, np.empty(0)) for deal in deals]
    chances = np.array([np.prod(comb(pooled, deal)) / comb(rows, size) for deal in deals])
    sums = np.array([among._deviances(one) for one in tables])
    assert chances.sum() == pytest.approx(1)
    for one, found in zip(tables, sums, strict=True):
        exact = float(chances[sums >= found - 1e-9].sum())
        assert among._together(one) >= exact * (1 - 1e-9)


def test_the_tail_of_the_deviances_is_that_of_all_deals() -> None:
    random = np.random.default_rng(14)
    labels = np.repeat(np.arange(400), random.integers(1, 14, 400))
    size, rows = 150, len(labels)
    both = np.bincount(labels)
    dealt = []
    for _ in range(4_000):
        window = np.bincount(random.permutation(labels)[:size], minlength=400)
        dealt.append(float(among._deviance(window, both, size / rows).sum()))
    support = among._support(
        Cells(both - np.bincount(labels[:size], minlength=400), np.bincount(labels[:size], minlength=400), np.empty(0))
    )
    mean, spread, _ = support.spread() or (0.0, 0.0, 0.0)
    assert mean == pytest.approx(np.mean(dealt), rel=0.01)
    assert spread == pytest.approx(np.std(dealt), rel=0.05)
    for share in (0.1, 0.02):
        found = float(np.quantile(dealt, 1 - share))
        tail = permutation.conditional_tail(support.terms(), np.array([found, size]), rows)
        assert tail == pytest.approx(share, rel=0.25)
