"""Tests of one score of the pooled rows: which values could its sum over the window have had, if the rows were dealt by chance?

The window is taken as n rows drawn without replacement from the pooled N: exact in size for any distribution and any ties, as long as
the rows are exchangeable. The tail is the double saddlepoint approximation of Robinson (1982, JRSS B 44), with Skovgaard's (1987) form
of the conditional tail; its relative error stays small where a normal approximation is wrong by a factor (tails of 1e-6). It knows no
steps: where a few rows decide, Fisher's exact test of their number has the last word.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.special import expit, xlogy
from scipy.stats import binom, hypergeom, norm

from ml.monitoring.profiles import Counts, Floats

Terms = Callable[[Floats], tuple[float, Floats, Floats]]
_SURE = 1.5
"""Below so many standard deviations nothing is decided, and the tail is not approximated with care."""
_ALIKE = 0.25
"""Scores that differ by so many standard deviations are next to the same."""
_FEW_SHARE, _FEW_EXPECTED = 0.25, 20
"""Other rows are few where they are no more than this share, and no more than so many are expected on the smaller side."""
_STEPS, _LEVEL = 60, 1e-10
"""So many steps to the saddlepoint at most; it is reached where a further one would rise by no more."""
_EXACT_ROWS = 200_000


def score_test(scores: Floats, both: Counts, window: Counts) -> float:
    """The two-sided p-value of the scores' sum over the window.

    Args:
        scores: One finite number for each of K cells.
        both: Rows in each cell on both sides together.
        window: Rows of the window among them.
    """
    filled = both > 0
    scores, both, window = scores[filled], both[filled], window[filled]
    n, rows = int(window.sum()), int(both.sum())
    m = rows - n
    centred = scores - (scores @ both) / rows
    spread = float(np.sqrt(centred**2 @ both / rows))
    if n == 0 or m == 0 or spread < 1e-12 * max(1.0, float(np.abs(scores).max())):
        return 1.0
    if len(both) == 2:
        return two_cells(int(window[0]), int(both[0]), n, rows)
    standard = centred / spread
    total = float(standard @ window)
    z = total / np.sqrt(n * m / (rows - 1))
    if abs(z) <= _SURE:
        return float(2 * norm.sf(abs(z)))
    upwards = standard if z > 0 else -standard
    tail = _end(upwards, both, n, abs(total))
    if tail is None:
        tail = conditional_tail(_of_rows(upwards, both, n), np.array([abs(total), n]), rows)
    return min(1.0, max(2 * tail, _of_few(standard, both, window)))


def _end(scores: Floats, both: Counts, n: int, total: float) -> float | None:
    """The exact chance of the largest sum that is possible; None where `total` is below it."""
    order = np.argsort(-scores)
    before = np.cumsum(both[order]) - both[order]
    taken = np.clip(n - before, 0, both[order])
    if total < float(scores[order] @ taken) - 1e-9 * n:
        return None
    last = scores[order[np.flatnonzero(taken)[-1]]]
    above, equal = int(both[scores > last + 1e-12].sum()), int(both[np.abs(scores - last) <= 1e-12].sum())
    return math.exp(_log_choices(equal, n - above) - _log_choices(int(both.sum()), n))


def _log_choices(of: int, take: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(take + 1) - math.lgamma(of - take + 1)


def _of_few(scores: Floats, both: Counts, window: Counts) -> float:
    """Where all but few rows have next to the same score: the exact p-value of how many others the window has; 0 elsewhere.

    The sum then stands and falls with that number, whose steps are coarser than a smooth tail knows. The larger of two p-values is one.
    """
    n, rows = int(window.sum()), int(both.sum())
    usual = scores[np.argmax(both)]
    sides = [side for side in (scores > usual + _ALIKE, scores < usual - _ALIKE) if side.any()]
    others = sum(int(both[side].sum()) for side in sides)
    if others > _FEW_SHARE * rows or others * min(n, rows - n) / rows > _FEW_EXPECTED:
        return 0.0
    found = [two_cells(int(window[side].sum()), int(both[side].sum()), n, rows) for side in sides]
    return min(1.0, len(found) * min(found, default=0.0))


def two_cells(found: int, marked: int, n: int, rows: int) -> float:
    """Fisher's exact test, twice the smaller tail: `found` of the `marked` rows stand among the window's `n` of all `rows`."""
    expected = marked * n / rows
    if rows > _EXACT_ROWS and min(expected, n - expected, marked - expected, rows - n - marked + expected) > 100:
        return float(2 * norm.sf(_signed_root(found, marked, n, rows)))
    of = hypergeom(rows, marked, n)
    return float(min(1.0, 2 * min(of.cdf(found), of.sf(found - 1))))


def _signed_root(found: int, marked: int, n: int, rows: int) -> float:
    """The root of the likelihood ratio, without its sign: for thousands of rows its tail is the normal one."""
    seen = np.array([found, marked - found, n - found, rows - n - marked + found], dtype=float)
    expected = np.outer([marked, rows - marked], [n, rows - n]).ravel() / rows
    return float(np.sqrt(max(0.0, 2 * float(np.sum(xlogy(seen, seen / expected))))))


def conditional_tail(terms: Terms, target: Floats, rows: int, *, furthest: float = math.inf) -> float:
    """The chance that a sum over the window reaches `target[0]`, given that the window has `target[1]` of all `rows`.

    Without the condition each row is the window's with the same chance; the tilted chances solve both equations
    "expected sum = target[0]" and "expected rows = target[1]". Where they have no solution (the sum is at the end of what is possible) or
    the approximation is not to be trusted, Chernoff's bound of the two together, divided by the chance of the condition: never too small.

    Args:
        terms: At a tilt of (sum, rows): the logarithm of the generating function, its slope and its curvature.
        target: The sum, above its mean, and the window's rows.
        rows: Those of both sides.
        furthest: The approximation is not trusted where the sum is tilted by more.
    """
    tilt, height, curve, solved = _climb(terms, target)
    if tilt[0] <= 0 or height <= 0:
        return 1.0
    bound = math.exp(min(0.0, -height - float(binom.logpmf(target[1], rows, target[1] / rows))))
    root = math.sqrt(2 * height)
    slow = tilt[0] * math.sqrt(max(0.0, float(np.linalg.det(curve))) / terms(np.zeros(2))[2][1, 1])
    if not solved or tilt[0] > furthest or not math.isfinite(slow) or slow <= 0:
        return bound
    return min(bound, float(norm.sf(root + math.log(slow / root) / root)))


def _climb(terms: Terms, target: Floats) -> tuple[Floats, float, Floats, bool]:
    """The tilt of the saddlepoint by Newton's method: it, its height, the curvature there, and whether it was reached."""
    tilt = np.zeros(2)
    log_sum, slope, curve = terms(tilt)
    height = -log_sum
    for _ in range(_STEPS):
        try:
            step = np.linalg.solve(curve, target - slope)
        except np.linalg.LinAlgError:
            break
        if step @ (target - slope) < _LEVEL:
            return tilt, height, curve, True
        size = 1.0
        while (rise := float((tilt + size * step) @ target) - (found := terms(tilt + size * step))[0]) < height and size > 1e-6:
            size /= 2
        if not rise >= height:
            break
        tilt, height, (_, slope, curve) = tilt + size * step, rise, found
    return tilt, height, curve, False


def _of_rows(scores: Floats, both: Counts, n: int) -> Terms:
    """Of the sum of the scores over the window's rows."""
    chance = n / both.sum()
    out, odds = math.log1p(-chance), math.log(chance) - math.log1p(-chance)

    def terms(at: Floats) -> tuple[float, Floats, Floats]:
        logit = at[1] + at[0] * scores
        inside = expit(odds + logit)
        log_sum = float(both @ np.logaddexp(out, out + odds + logit))
        slope = np.array([(both * scores) @ inside, both @ inside])
        weight = both * inside * (1 - inside)
        curve = np.array([[weight @ scores**2, weight @ scores], [weight @ scores, weight.sum()]])
        return log_sum, slope, curve

    return terms
