"""How the window's rows of rare labels are dealt out among them: the part of a table that is too thin for a chi-square.

Given how often each label stands in both sides together, rows dealt by chance give each label a hypergeometric number of the window's.

- One label: the chance of so many rows, times the number of labels (Bonferroni). The tail is bounded by the geometric series of its
  first term, so never too small.
- All together: the sum of their deviances, the G of a table, with the double saddlepoint tail of `ml.monitoring.alarms.permutation`
  instead of the chi-square. Where few labels decide the sum or the tail is beyond trust, Chernoff's bound takes its place.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy
from scipy.stats import binom, hypergeom

from ml.monitoring.alarms.cells import Cells
from ml.monitoring.alarms.permutation import Terms, conditional_tail
from ml.monitoring.profiles import Counts, Floats

_SMOOTH = 0.2
"""The most skewness of the sum with which its tail counts as smooth: about a hundred labels of a kind."""
_FURTHEST = 0.4
"""From a tilt of 1/2 on a deviance outweighs its own chance, and a single label can carry the whole sum."""


def can_differ(both: Counts) -> bool:
    """Whether labels of so many rows can be dealt out in ways that differ: where each stands once all ways are alike."""
    return len(both) > 1 and bool((both > 1).any())


def p_value(cells: Cells) -> float:
    """The one-sided p-value of an uneven deal among these labels: twice the smaller one of the two tests'."""
    if not can_differ(cells.both) or not min(cells.sizes):
        return 1.0
    return min(1.0, 2 * min(_single(cells), _together(cells)))


def standing(cells: Cells) -> float:
    """How many standard deviations the sum of deviances lies above its mean; 0 where it cannot differ."""
    if not can_differ(cells.both) or not min(cells.sizes):
        return 0.0
    found, spread = _deviances(cells), _support(cells).spread()
    return 0.0 if spread is None else (found - spread[0]) / spread[1]


def _smaller(cells: Cells) -> Counts:
    n, m = cells.sizes
    return cells.window if n <= m else cells.reference


def _single(cells: Cells) -> float:
    (n, m), both, found = cells.sizes, cells.both, _smaller(cells)
    size, rows = min(n, m), n + m
    many = found > both * (size / rows)
    if not many.any():
        return 1.0
    both, found = both[many], found[many]
    shrinks = (both - found) * (size - found) / ((found + 1) * np.maximum(1.0, rows - both - size + found + 1))
    first = np.exp(hypergeom.logpmf(found, rows, both, size))
    tails = np.where(shrinks < 1, first / np.maximum(1 - shrinks, 1e-12), 1.0)
    return min(1.0, float(tails.min()) * len(cells.both))


def _together(cells: Cells) -> float:
    support, found, size = _support(cells), _deviances(cells), min(cells.sizes)
    spread = support.spread()
    if spread is None or found <= spread[0]:
        return 1.0
    furthest = _FURTHEST if abs(spread[2]) < _SMOOTH else 0.0
    return conditional_tail(support.terms(), np.array([found, size]), sum(cells.sizes), furthest=furthest)


def _deviances(cells: Cells) -> float:
    return float(_deviance(_smaller(cells), cells.both, min(cells.sizes) / sum(cells.sizes)).sum())


def _deviance(found: Counts, of: Counts, chance: float) -> Floats:
    said: Floats = 2 * (xlogy(found, found / (of * chance)) + xlogy(of - found, (of - found) / (of * (1 - chance))))
    return said


@dataclass(frozen=True, slots=True)
class _Support:
    """What each kind of label (all those of as many rows) can show: its numbers of rows on the smaller side, one after the other.

    Args:
        times: Labels of each kind.
        starts: Where each kind begins in the others.
        lengths: How many numbers it has.
        found: The numbers of rows.
        deviance: Of each.
        chance: The logarithm of its probability where rows are dealt independently.
    """

    times: Counts
    starts: Counts
    lengths: Counts
    found: Floats
    deviance: Floats
    chance: Floats

    def at(self, tilt: Floats) -> tuple[float, Floats]:
        """The logarithm of the generating function at a tilt, and the tilted probabilities."""
        exponent = self.chance + tilt[0] * self.deviance + tilt[1] * self.found
        peak = np.maximum.reduceat(exponent, self.starts)
        weight = np.exp(exponent - np.repeat(peak, self.lengths))
        total = np.add.reduceat(weight, self.starts)
        return float(self.times @ (np.log(total) + peak)), weight / np.repeat(total, self.lengths)

    def centred(self, values: Floats, likely: Floats) -> tuple[Floats, Floats]:
        """Each kind's mean, and the values without it."""
        mean = np.add.reduceat(values * likely, self.starts)
        return mean, values - np.repeat(mean, self.lengths)

    def terms(self) -> Terms:
        """Of the sum of the deviances."""

        def terms(tilt: Floats) -> tuple[float, Floats, Floats]:
            log_sum, likely = self.at(tilt)
            (sums, away), (rows, off) = self.centred(self.deviance, likely), self.centred(self.found, likely)
            weight = likely * np.repeat(self.times, self.lengths)
            shared = float(weight @ (away * off))
            curve = np.array([[weight @ away**2, shared], [shared, weight @ off**2]])
            return log_sum, np.array([self.times @ sums, self.times @ rows]), curve

        return terms

    def spread(self) -> tuple[float, float, float] | None:
        """Mean, standard deviation and skewness of the sum, given the rows of the side; None where it cannot differ."""
        _, likely = self.at(np.zeros(2))
        (sums, away), (_, off) = self.centred(self.deviance, likely), self.centred(self.found, likely)
        weight = likely * np.repeat(self.times, self.lengths)
        left = away - (weight @ (away * off)) / (weight @ off**2) * off
        variance = float(weight @ left**2)
        if variance <= 1e-9 * float(weight @ away**2):
            return None
        return float(self.times @ sums), variance**0.5, float(weight @ left**3) / variance**1.5


def _support(cells: Cells) -> _Support:
    size, rows = min(cells.sizes), sum(cells.sizes)
    kinds, times = np.unique(cells.both, return_counts=True)
    lengths = np.minimum(kinds, size) + 1
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    found, of = np.arange(int(lengths.sum())) - np.repeat(starts, lengths), np.repeat(kinds, lengths)
    chance: Floats = binom.logpmf(found, of, size / rows)
    return _Support(times, starts, lengths, found.astype(float), _deviance(found, of, size / rows), chance)
