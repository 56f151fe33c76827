"""Values that the reference never had: labels that are new, numbers outside of its range. How many of them chance alone brings.

Both are defined by the reference, which has none of them: an exact test of two cells would take that for a finding. Where rows are
exchangeable, their number in the window has a known distribution whatever the values are:

- Numbers: how many of n rows lie outside of the smallest and the largest of m is beta-binomial (n; 2, m - 1), with a mean share of
  2 / (m + 1) (Wilks 1942, Annals of Mathematical Statistics 13); ties make it conservative.
- Labels: given how often each label stands in both sides together, it is unseen where all of its rows were dealt to the window. These
  events are taken as independent with their exact probabilities; they are negatively associated (Joag-Dev & Proschan 1983).

Where rows follow each other in time, counts are divided by the design effect of the reference's own windows: effective rows.
"""

import math

import numpy as np
from scipy.special import gammaln
from scipy.stats import binom, norm

from ml.monitoring.alarms.comparing import Comparison, Watched
from ml.monitoring.alarms.effects import MARGIN_ERRORS, Effect
from ml.monitoring.alarms.windows import Calibration
from ml.monitoring.profiles import Counts, LabelProfile, NumericProfile

UNSEEN, OUT_OF_RANGE = "unseen_share", "out_of_range_share"
_CONVOLVED = 2_000
"""Up to so many unseen rows their distribution is added up exactly; beyond it the normal limit serves."""
_NEGLIGIBLE = 1e-12


def compare_range(
    watched: Watched, *, reference: NumericProfile, window: NumericProfile, calibration: Calibration | None = None, note: str = ""
) -> Comparison | None:
    """How many of the window's numbers lie outside of the reference's range; None where a side has too few numbers to say."""
    n, m = window.present, reference.present
    if n < 1 or m < 2:
        return None
    inside = (window.values >= reference.values[0]) & (window.values <= reference.values[-1])
    found, by = int(window.counts[~inside].sum()), _design_effect(calibration)
    p_value = out_of_range(int(found / by), rows=max(1, round(n / by)), reference_rows=max(2, round(m / by)))
    return _compared(watched, found, 2 * by / (m + by), p_value, (n, m), calibration, note)


def compare_unseen(
    watched: Watched, *, reference: LabelProfile, window: LabelProfile, calibration: Calibration | None = None, note: str = ""
) -> Comparison | None:
    """How many of the window's labels the reference has not; None where a side has no label."""
    n, m = window.present, reference.present
    if not n or not m:
        return None
    names = window.counts.keys() | reference.counts.keys()
    both = np.array([window.counts.get(name, 0) + reference.counts.get(name, 0) for name in names], dtype=np.int64)
    found, by = sum(count for name, count in window.counts.items() if name not in reference.counts), _design_effect(calibration)
    if by > 1:
        both = np.maximum(1, np.rint(both / by)).astype(np.int64)
    rows = min(int(both.sum()) - 1, max(1, round(int(both.sum()) * n / (n + m))))
    p_value, expected = unseen(int(found / by), both, rows=rows)
    return _compared(watched, found, min(1.0, expected / max(1, rows)), p_value, (n, m), calibration, note)


def out_of_range(found: int, *, rows: int, reference_rows: int) -> float:
    """The chance that at least `found` of the window's rows lie outside of the range of `reference_rows` others, two or more.

    The reference's m places among all N rows must then span at most N - found of them.
    """
    if found <= 0:
        return 1.0
    total, left = rows + reference_rows, rows + reference_rows - found - 1

    def choose(of: int, take: int) -> float:
        return float(gammaln(of + 1) - gammaln(take + 1) - gammaln(of - take + 1)) if take <= of else -math.inf

    whole = choose(total, reference_rows)
    ends = (found + 1) * math.exp(choose(left, reference_rows - 1) - whole)
    return min(1.0, ends + math.exp(choose(left, reference_rows) - whole))


def unseen(found: int, both: Counts, *, rows: int) -> tuple[float, float]:
    """The chance that at least `found` of the window's rows have labels that stand in the window only, and their mean number.

    Args:
        found: Such rows.
        both: How often each label stands in both sides together.
        rows: The window's rows; the others are the reference's.
    """
    total = int(both.sum())
    sizes, times = np.unique(both[both <= rows], return_counts=True)
    chance = np.exp(gammaln(total - sizes + 1) - gammaln(rows - sizes + 1) - gammaln(total + 1) + gammaln(rows + 1))
    expected = float(np.sum(sizes * times * chance))
    if found <= 0:
        return 1.0, expected
    if found > _CONVOLVED:
        spread = math.sqrt(float(np.sum(sizes.astype(float) ** 2 * times * chance * (1 - chance))))
        return float(norm.sf((found - 0.5 - expected) / max(spread, 1e-9))), expected
    fewer = np.zeros(found)
    fewer[0] = 1.0
    for size, count, likely in zip(sizes, times, chance, strict=True):
        if count * likely < _NEGLIGIBLE:
            continue
        steps = np.zeros(found)
        steps[::size] = binom.pmf(np.arange(len(steps[::size])), count, likely)
        fewer = np.convolve(fewer, steps)[:found]
    return float(np.clip(1 - fewer.sum(), 1e-15, 1.0)), expected


def _design_effect(calibration: Calibration | None) -> float:
    return 1.0 if calibration is None else max(1.0, calibration.inflation)


def _compared(
    watched: Watched, found: int, expected: float, p_value: float, sizes: tuple[int, int], calibration: Calibration | None, note: str
) -> Comparison:
    n, m = sizes
    share = found / n
    error = math.sqrt(share * (1 - share) / n * _design_effect(calibration))
    effect = Effect(value=share, expected=expected, debiased=max(0.0, share - expected), margin=MARGIN_ERRORS * error)
    return Comparison(watched=watched, p_value=p_value, effect=effect, rows=n, reference_rows=m, calibration=calibration, note=note)
