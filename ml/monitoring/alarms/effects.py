"""How large a drift is, without what chance alone adds: each shown distance, its mean under no change, and its sampling error.

Distances are never below zero, so two samples of one distribution lie apart: at 200 rows the normed Wasserstein distance is .09 on
average. That mean is computed here, exactly for rows dealt by chance, and taken off on the squared scale, on which the noise of these
distances adds to their size: sqrt(d^2 - d0^2), for PSI (a square itself) d - d0. A drift far above the noise is so left as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from ml.monitoring import distances
from ml.monitoring.alarms import twosample
from ml.monitoring.alarms.cells import Cells, of_numbers
from ml.monitoring.profiles import Counts, Floats, LabelProfile, NumericProfile

MARGIN_ERRORS = 1.645
"""The margin of an effect: so many standard errors, the one-sided 95 % bound."""
SQUARES = frozenset({"psi"})
"""Distances that grow with the square of the change."""
_MANY = 50
"""Cells with so many expected rows on both sides: the mean of their part is taken from the normal limit."""
_LEAST_STD = 0.001
_Part = Callable[[Floats, Floats, int, int], Floats]


@dataclass(frozen=True, slots=True)
class Effect:
    """A shown distance (`value`), in its own unit.

    Args:
        value: As it is shown.
        expected: Its mean where nothing has changed, at these numbers of rows.
        debiased: Without that mean; 0 where the value does not exceed it.
        margin: The one-sided 95 % bound of the truth lies so far above `debiased`.
    """

    value: float
    expected: float
    debiased: float
    margin: float

    def reaches(self, floor: float) -> bool:
        """Whether the change may be as large as the floor: False says that it is shown to be smaller."""
        return round(self.debiased + self.margin, 12) >= floor


def effect(method: str, *, value: float, expected: float, error: float) -> Effect:
    """The effect from a distance, its mean without change, and its standard error."""
    debiased = value - expected if method in SQUARES else max(0.0, value**2 - expected**2) ** 0.5
    return Effect(value, expected, max(0.0, debiased), MARGIN_ERRORS * error)


def inflated(method: str, of: Effect, inflation: float) -> Effect:
    """The effect where the variance of a window is `inflation` times that of independent rows."""
    power = 1.0 if method in SQUARES else 0.5
    return effect(method, value=of.value, expected=of.expected * inflation**power, error=of.margin / MARGIN_ERRORS * inflation**0.5)


def numbers(method: str, reference: NumericProfile, window: NumericProfile, cells: Cells | None = None) -> Effect:
    """The effect of numbers by their shown distance; `cells` spares cutting them again."""
    if method == "wasserstein":
        return wasserstein(reference, window, cells or of_numbers(reference, window))
    return table(method, reference, window)


def of_ranks(method: str, cells: Cells) -> Effect:
    """The effect of numbers after each has become the normal score of its rank in both sides together.

    The same number for normal data, where a shift of .3 standard deviations is .3 either way; and as large for any other column that is a
    growing function of normal data, however heavy its tails and however small its unit. There one far value can make the standard
    deviation so large that no change of the others ever reaches a floor in it.
    """
    scores = twosample.normal_scores(cells.both)
    scored = [_scored(scores, counts) for counts in (cells.reference, cells.window)]
    return numbers(method, scored[0], scored[1], Cells(cells.reference, cells.window, scores))


def wasserstein(reference: NumericProfile, window: NumericProfile, cells: Cells) -> Effect:
    """The normed Wasserstein distance (del Barrio, Gine & Matran 1999 for its mean and limit)."""
    (n, m), std = cells.sizes, max(reference.std, _LEAST_STD)
    gaps = np.diff(cells.values) / std
    below = np.cumsum(cells.both)[:-1]
    expected = float(mean_deviation(below, n, n + m) @ gaps) * (1 / n + 1 / m)
    signs = np.sign(np.cumsum(cells.window)[:-1] / n - np.cumsum(cells.reference)[:-1] / m)
    influence = np.concatenate(([0.0], np.cumsum(signs * gaps)))
    error = float(np.sqrt(_variance(influence, cells.window) / n + _variance(influence, cells.reference) / m))
    return effect("wasserstein", value=distances.wasserstein(reference, window), expected=expected, error=error)


def table(method: str, reference: "NumericProfile | LabelProfile", window: "NumericProfile | LabelProfile") -> Effect:
    """Jensen-Shannon, PSI or total variation: of labels, or of numbers in the bins that the distance itself uses."""
    p, q = distances.shares(reference, window)
    n, m = window.present, reference.present
    both: Counts = np.rint(p * m + q * n).astype(np.int64)
    filled = both > 0
    p, q, both = p[filled], q[filled], both[filled]
    if method == "TVD":
        assert isinstance(reference, LabelProfile), "the total variation distance is of labels"
        assert isinstance(window, LabelProfile), "both sides are of one kind"
        value = distances.total_variation(reference, window)
        expected = float(mean_deviation(both, n, n + m).sum()) * (1 / n + 1 / m) / 2
        return effect(method, value=value, expected=expected, error=_error(np.sign(q - p) / 2, np.sign(p - q) / 2, p, q, (n, m)))
    if method == "psi":
        value, expected = distances.psi(reference, window), _mean(_psi_part, both, n, m, scale=1.0)
        expected += float((~filled).sum() * _psi_part(np.zeros(1), np.zeros(1), n, m)[0])  # empty bins count where the fills differ
        p, q = np.maximum(p, 0.5 / m), np.maximum(q, 0.5 / n)
        return effect(method, value=value, expected=expected, error=_error(_log_slope(q, p), _log_slope(p, q), p, q, (n, m)))
    value = distances.jensenshannon(reference, window)
    expected = float(np.sqrt(_mean(_divergence_part, both, n, m, scale=1 / 8)))
    steep = 2 * max(value, expected, 1e-12)  # the distance is the root of the divergence
    middle = (p + q) / 2
    with np.errstate(divide="ignore"):
        slopes = [np.where(side > 0, np.log(side / middle), 0.0) / 2 / steep for side in (q, p)]
    return effect(method, value=value, expected=expected, error=_error(slopes[0], slopes[1], p, q, (n, m)))


def missing(cells: Cells) -> Effect:
    """The change of the share of missing values, 0-1."""
    n, m = cells.sizes
    before, now = float(cells.reference[0] / m), float(cells.window[0] / n)
    expected = float(mean_deviation(cells.both[:1], n, n + m)[0]) * (1 / n + 1 / m)
    error = float(np.sqrt(now * (1 - now) / n + before * (1 - before) / m))
    value = round(abs(now - before), 12)
    return effect("missing_share", value=value, expected=expected, error=error)


def mean_deviation(marked: Counts, n: int, rows: int) -> Floats:
    """The mean absolute deviation of the number of marked rows among n drawn of all, for each number of marked ones.

    Twice the sum of the deviations above the mean; that sum telescopes for hypergeometric numbers (De Moivre 1730 for the binomial).
    """
    of = np.asarray(marked, dtype=float)
    above = np.floor(of * n / rows) + 1
    most = np.minimum(of, n)
    flow = above * (rows - n - of + above) / rows
    found: Floats = np.where(above <= most, 2 * flow * np.exp(_log_chance(np.minimum(above, most), of, n, rows)), 0.0)
    return found


def _log_chance(found: Floats, marked: Floats, n: int, rows: int) -> Floats:
    """The logarithm of the hypergeometric probability; -inf where it is none."""

    def choose(of: Floats | float, take: Floats | float) -> Floats:
        possible: Floats = gammaln(np.add(of, 1)) - gammaln(np.add(take, 1)) - gammaln(np.maximum(np.subtract(of, take), 0) + 1)
        return possible

    chance: Floats = choose(marked, found) + choose(rows - marked, n - found) - choose(float(rows), float(n))
    return np.where((found > marked) | (n - found > rows - marked) | (n < found), -np.inf, chance)


def _mean(part: _Part, both: Counts, n: int, m: int, *, scale: float) -> float:
    """The mean of a sum over cells of `part(window share, reference share)` when the rows are dealt by chance.

    Cells of many rows add `scale` (1 - share) (1/n + 1/m) each (the normal limit); of few rows each possible number is weighed.
    """
    rows = n + m
    expected = both * (min(n, m) / rows)
    many = expected >= _MANY
    total = float(np.sum(1 - both[many] / rows)) * (1 / n + 1 / m) * scale
    for marked, times in zip(*np.unique(both[~many], return_counts=True), strict=True):
        reach = 10 * np.sqrt(marked * n * m / rows**2) + 20
        mean = marked * n / rows
        found = np.arange(max(0, marked - m, int(mean - reach)), min(marked, n, int(mean + reach)) + 1, dtype=float)
        chance = np.exp(_log_chance(found, np.full(len(found), float(marked)), n, rows))
        total += float(times * (chance @ part(found / n, (marked - found) / m, n, m)))
    return total


def _divergence_part(q: Floats, p: Floats, n: int, m: int) -> Floats:  # noqa: ARG001
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(side > 0, side * np.log(side / middle), 0.0) for side in (p, q)]
    return np.asarray((parts[0] + parts[1]) / 2)


def _psi_part(q: Floats, p: Floats, n: int, m: int) -> Floats:
    """Empty cells count as `ml.monitoring.distances` has it: as .0001, or a millionth of one row where one row is less."""
    q, p = (np.where(side > 0, side, 0.0001 if 1 / rows > 0.0001 else 1e-6 / rows) for side, rows in ((q, n), (p, m)))
    return (p - q) * np.log(p / q)


def _log_slope(of: Floats, other: Floats) -> Floats:
    return np.log(of / other) + 1 - other / of


def _scored(scores: Floats, counts: Counts) -> NumericProfile:
    filled = counts > 0
    return NumericProfile(scores[filled], counts[filled], int(counts.sum()), _variance(scores, counts) ** 0.5)


def _variance(values: Floats, counts: Counts) -> float:
    mean = float(values @ counts / counts.sum())
    return float((values - mean) ** 2 @ counts / counts.sum())


def _error(by_window: Floats, by_reference: Floats, p: Floats, q: Floats, sizes: tuple[int, int]) -> float:
    """The delta method's standard error, from the slopes by the two sides' shares."""
    parts = []
    for slope, side, rows in ((by_window, q, sizes[0]), (by_reference, p, sizes[1])):
        share = side / side.sum()
        parts.append(float(share @ slope**2 - (share @ slope) ** 2) / rows)
    return float(np.sqrt(max(0.0, sum(parts))))
