"""How far two profiles lie apart: the field's statistics, with the same values as Evidently 0.7's own functions.

Wasserstein (normed by the reference's standard deviation), Jensen-Shannon and PSI of numbers, Jensen-Shannon, PSI and total variation
of labels are distances: high is far. `ks` and `chisquare` are Evidently's p-values: low is far; they are shown, never decided on
(its chi-square takes the reference for the population).
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
from scipy.spatial import distance
from scipy.stats import chisquare as scipy_chisquare
from scipy.stats import ks_2samp, kstwo

from ml.monitoring.profiles import Floats, LabelProfile, NumericProfile

_FEW_VALUES = 20
"""Up to so many different reference values, numbers are compared value by value, as Evidently does."""
_EXACT_KS_ROWS = 10_000
"""Up to so many rows on the larger side SciPy computes the p-value of KS exactly."""
_LEAST_STD = 0.001


def wasserstein(reference: NumericProfile, window: NumericProfile) -> float:
    """The first Wasserstein distance, in standard deviations of the reference (at least 0.001)."""
    many = len(reference.values) + len(window.values) > (reference.present + window.present) / 2
    apart = _between_quantiles(reference, window) if many else _between_shares(reference, window)
    return apart / max(reference.std, _LEAST_STD)


def jensenshannon(reference: "NumericProfile | LabelProfile", window: "NumericProfile | LabelProfile") -> float:
    """The Jensen-Shannon distance, natural logarithm; numbers in Sturges' bins of both sides together."""
    return float(distance.jensenshannon(*shares(reference, window)))


def psi(reference: "NumericProfile | LabelProfile", window: "NumericProfile | LabelProfile") -> float:
    """The population stability index; empty bins count as a very small share, as Evidently has it."""
    before, now = (_without_zeros(side) for side in shares(reference, window))
    return float(np.sum((before - now) * np.log(before / now)))


def total_variation(reference: LabelProfile, window: LabelProfile) -> float:
    """Half of the summed differences of the labels' shares, 0-1."""
    before, now = shares(reference, window)
    return float(0.5 * np.abs(before - now).sum())


def ks_statistic(reference: NumericProfile, window: NumericProfile) -> float:
    """The largest difference of the two empirical distribution functions, 0-1."""
    values, apart = _apart(reference, window)
    # Where a value stands on both sides, the difference counts after the second of them.
    last = np.append(values[1:] != values[:-1], True)
    return float(np.abs(apart[last]).max())


def ks(reference: NumericProfile, window: NumericProfile) -> float:
    """The p-value of the two-sample Kolmogorov-Smirnov test, as SciPy computes it."""
    n, m = reference.present, window.present
    if max(n, m) <= _EXACT_KS_ROWS:
        sides = (np.repeat(side.values, side.counts) for side in (reference, window))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # where the exact way fails, SciPy says so and takes the other
            return float(ks_2samp(*sides).pvalue)
    large, small = float(max(n, m)), float(min(n, m))
    return float(np.clip(kstwo.sf(ks_statistic(reference, window), np.round(large * small / (large + small))), 0, 1))


def chisquare(reference: LabelProfile, window: LabelProfile) -> float:
    """The p-value of Evidently's chi-square test, which takes the reference's shares for the true ones."""
    names = _names(reference, window)
    expected = np.array([reference.counts.get(name, 0) for name in names]) * (window.present / reference.present)
    observed = np.array([window.counts.get(name, 0) for name in names])
    with np.errstate(divide="ignore"):
        return float(scipy_chisquare(observed, expected).pvalue)


NUMERIC: dict[str, Callable[[NumericProfile, NumericProfile], float]] = {
    "wasserstein": wasserstein,
    "jensenshannon": jensenshannon,
    "psi": psi,
    "ks": ks,
}
LABELS: dict[str, Callable[[LabelProfile, LabelProfile], float]] = {
    "jensenshannon": jensenshannon,
    "psi": psi,
    "TVD": total_variation,
    "chisquare": chisquare,
}


def shares(reference: "NumericProfile | LabelProfile", window: "NumericProfile | LabelProfile") -> tuple[Floats, Floats]:
    """The share of each side's rows in each bin or of each value."""
    if isinstance(reference, LabelProfile):
        assert isinstance(window, LabelProfile), "both sides are of one kind"
        names = _names(reference, window)
        return tuple(np.array([side.counts.get(name, 0) for name in names]) / side.present for side in (reference, window))  # type: ignore[return-value]
    assert isinstance(window, NumericProfile), "both sides are of one kind"
    if len(reference.values) <= _FEW_VALUES:
        values = np.union1d(reference.values, window.values)
        return _at(reference, values), _at(window, values)
    edges = _sturges(reference, window)
    return _binned(reference, edges), _binned(window, edges)


def _names(reference: LabelProfile, window: LabelProfile) -> list[str]:
    return list(dict.fromkeys((*reference.counts, *window.counts)))


def _sturges(reference: NumericProfile, window: NumericProfile) -> Floats:
    """The edges of `numpy.histogram_bin_edges(both, "sturges")`, from the ends and the number of values alone."""
    low = float(min(reference.values[0], window.values[0]))
    high = float(max(reference.values[-1], window.values[-1]))
    width = (high - low) / (np.log2(reference.present + window.present) + 1.0)
    bins = math.ceil((high - low) / width) if width else 1
    edges: Floats = np.linspace(low, high, bins + 1)
    return edges


def _binned(side: NumericProfile, edges: Floats) -> Floats:
    """Shares in half-open bins, the last one closed: `numpy.histogram`."""
    until = np.concatenate(([0], np.cumsum(side.counts)))
    places = np.concatenate((np.searchsorted(side.values, edges[:-1], "left"), np.searchsorted(side.values, edges[-1:], "right")))
    return np.diff(until[places]) / side.present


def _at(side: NumericProfile, values: Floats) -> Floats:
    counts = np.zeros(len(values))
    counts[np.searchsorted(values, side.values)] = side.counts
    return counts / side.present


def _between_shares(reference: NumericProfile, window: NumericProfile) -> float:
    """The area between the two distribution functions: quick where values repeat."""
    values, apart = _apart(reference, window)
    return float(np.abs(apart[:-1]) @ np.diff(values))


def _between_quantiles(reference: NumericProfile, window: NumericProfile) -> float:
    """The same area, between the two quantile functions: no value has to be looked up.

    With n rows on the longer side and m on the shorter one, row j of the shorter covers the shares from j/m to (j+1)/m, that is whole rows
    of the longer side and parts of the two at its ends (Villani 2003, remark 2.19: W1 is the integral of |F⁻¹ - G⁻¹|).
    """
    long, short = reference.ordered, window.ordered
    if len(long) < len(short):
        long, short = short, long
    n, m = len(long), len(short)
    if n == m:
        return float(np.abs(long - short).mean())
    later = np.arange(1, m)
    begins = (later * n + m - 1) // m  # the first row of the longer side that lies in row j of the shorter one whole
    apart = np.abs(long - np.repeat(short, np.diff(begins, prepend=0, append=n))).sum()
    cut, part = long[begins - 1], (begins * m - later * n) / m
    return float(apart + part @ (np.abs(cut - short[1:]) - np.abs(cut - short[:-1]))) / n


def _apart(reference: NumericProfile, window: NumericProfile) -> tuple[Floats, Floats]:
    """All values of both sides in order (common ones twice), and the difference of the distribution functions after each of them."""
    places = np.searchsorted(reference.values, window.values) + np.arange(len(window.values))
    theirs = np.ones(len(reference.values) + len(window.values), dtype=bool)
    theirs[places] = False
    values, steps = np.empty(len(theirs)), np.empty(len(theirs))
    values[places], steps[places] = window.values, window.counts / -window.present
    values[theirs], steps[theirs] = reference.values, reference.counts / reference.present
    return values, np.cumsum(steps)


def _without_zeros(shares: Floats) -> Floats:
    least = shares[shares != 0].min()
    return np.where(shares == 0, least / 10**6 if least <= 0.0001 else 0.0001, shares)
