"""Do reference and window come from one distribution? P-values that hold for any distribution, from profiles alone.

All tests take the rows as exchangeable; where rows follow each other in time, `ml.monitoring.alarms.windows` calibrates instead.

- Numbers: three tests of ranks share the level. Location by van der Waerden's normal scores (as powerful as a t test on normal data,
  blind to outliers), spread by Klotz's squared normal scores, and Kolmogorov-Smirnov for whatever else. The first has nine tenths of
  the level, since a shift is what most drifts are; a Kolmogorov-Smirnov test alone finds a shift of .3 standard deviations
  in 200 rows in 6 of 10 windows, normal scores in 8.
- Labels: the likelihood ratio (G) of the 2 x K table with Williams' correction; labels too rare for it are one cell, and how many rows
  stand there is tested exactly, so that unseen labels count. How those rows are dealt out among the rare labels is a test of its own
  (`ml.monitoring.alarms.among`), which is all there is where thousands of labels are all rare.
- Missing values: Fisher's exact test.
- Texts: a classifier that was fitted on one half of the rows ranks the other half; its ROC AUC is a Mann-Whitney statistic there.

Ties: the tests of scores are conditional on them; Kolmogorov-Smirnov is conservative under ties.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, xlogy
from scipy.stats import chi2, ks_2samp, kstwo, kstwobign, norm

from ml.monitoring.alarms import among
from ml.monitoring.alarms.cells import Cells
from ml.monitoring.alarms.permutation import score_test, two_cells
from ml.monitoring.profiles import Counts, Floats

Flags = npt.NDArray[np.bool_]
SHARES = {"location": 0.9, "spread": 0.05, "shape": 0.05}
"""How the level is split over the three tests of numbers."""
AMONG_RARE = 0.1
"""The share of the level that rare labels have among each other where there are common ones."""
_LEAST_EXPECTED = 5
"""A label takes part in G with so many expected rows on the smaller side (Cochran 1954)."""
_EXACT_KS_PAIRS, _KS_ROWS = 40_000, 10_000


def numbers(cells: Cells) -> float:
    """The p-value of numbers: the smallest of the three tests' p-values, each divided by its share of the level (Bonferroni)."""
    if len(cells.both) < 2:
        return 1.0
    scores = normal_scores(cells.both)
    tests = {
        "location": score_test(scores, cells.both, cells.window),
        "spread": score_test(scores**2, cells.both, cells.window),
        "shape": kolmogorov_smirnov(cells),
    }
    return min(1.0, *(p / SHARES[name] for name, p in tests.items()))


def normal_scores(both: Counts) -> Floats:
    """Van der Waerden's scores: the normal quantile of each cell's mid-rank / (N + 1)."""
    ranks = np.cumsum(both) - (both - 1) / 2
    found: Floats = ndtri(ranks / (both.sum() + 1))
    return found


def kolmogorov_smirnov(cells: Cells) -> float:
    """The p-value of the two-sample test: exact for few rows, else as of one sample of n m / (n + m) rows; ties make it conservative.

    Of many rows that is taken from Kolmogorov's limit, which is never below it, and for which SciPy's own way needs seconds.
    """
    n, m = cells.sizes
    apart = np.cumsum(cells.window) / n - np.cumsum(cells.reference) / m
    if n * m <= _EXACT_KS_PAIRS:
        sides = (np.repeat(np.arange(len(side)), side) for side in (cells.window, cells.reference))
        return float(ks_2samp(*sides, method="exact").pvalue)
    farthest, rows = float(np.abs(apart).max()), max(1, round(n * m / (n + m)))
    p_value = kstwo.sf(farthest, rows) if rows <= _KS_ROWS else kstwobign.sf(farthest * rows**0.5)
    return float(np.clip(p_value, 0, 1))


def labels(cells: Cells) -> float:
    """The p-value of labels: G of the common ones, Fisher's test of the rare ones together, and how rows are dealt out among these.

    Each of the first two has half of the level where both are; the third has a tenth of it, or all where every label is rare.
    """
    rare = is_rare(cells)
    n, m = cells.sizes
    tests = []
    if rare.any() and not rare.all():
        tests.append(two_cells(int(cells.window[rare].sum()), int(cells.both[rare].sum()), n, n + m))
    kept = Cells(cells.reference[~rare], cells.window[~rare], np.empty(0))
    if len(kept.both) == 2:
        tests.append(two_cells(int(kept.window[0]), int(kept.both[0]), int(kept.window.sum()), int(kept.both.sum())))
    elif len(kept.both) > 2:
        tests.append(float(chi2.sf(likelihood_ratio(kept), len(kept.both) - 1)))
    found = min(1.0, *(p * len(tests) for p in tests)) if tests else 1.0
    alone = rare_ones(cells, rare)
    if not among.can_differ(alone.both):
        return found
    dealt = among.p_value(alone)
    return min(1.0, found / (1 - AMONG_RARE), dealt / AMONG_RARE) if tests else dealt


def rare_ones(cells: Cells, rare: Flags) -> Cells:
    """The rare labels alone, those that stand on neither side left out."""
    alone = rare & (cells.both > 0)
    return Cells(cells.reference[alone], cells.window[alone], np.empty(0))


def is_rare(cells: Cells) -> Flags:
    """Which labels have fewer expected rows on the smaller side than G needs. Never by one side's counts: that would bias the test.

    Of two labels none is: Fisher's test needs no rows to expect.
    """
    if len(cells.both) <= 2:
        return np.zeros(len(cells.both), dtype=bool)
    n, m = cells.sizes
    found: Flags = cells.both * (min(n, m) / (n + m)) < _LEAST_EXPECTED
    return found


def likelihood_ratio(cells: Cells) -> float:
    """G of the 2 x K table divided by Williams' (1976, Biometrika 63) correction; chi-square with K - 1 degrees of freedom."""
    (n, m), both = cells.sizes, cells.both
    rows = n + m
    g = 2 * sum(float(np.sum(xlogy(side, side * rows / (both * size)))) for side, size in ((cells.window, n), (cells.reference, m)))
    correction = 1 + (rows / n + rows / m - 1) * (rows * float(np.sum(1 / both)) - 1) / (6 * rows * (len(both) - 1))
    return max(0.0, g) / correction


def text(auc: float, *, window_rows: int, reference_rows: int) -> float:
    """The one-sided p-value of a ROC AUC on rows that the classifier was not fitted on; ties make it conservative.

    Without drift the AUC has mean 1/2 and variance (n + m + 1) / (12 n m) (Mann & Whitney 1947), whatever the classifier.
    """
    error = np.sqrt((window_rows + reference_rows + 1) / (12 * window_rows * reference_rows))
    return float(norm.sf((auc - 0.5) / error))
